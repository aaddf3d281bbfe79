"""The command line: parses, calls a service or a running platform, prints. `cli` lists the commands.

One command or group of commands a file. `embedded` holds those for the embedded platform on this machine; `terminal`
what all share: options, finding the platform, printing.
"""
