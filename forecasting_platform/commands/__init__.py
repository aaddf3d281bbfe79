"""The command line, thin: each command asks a running platform over its public interfaces and prints the answer."""
