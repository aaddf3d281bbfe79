"""The command line: parses, calls a service or a running platform, prints. `cli` lists the commands.

Shared: `options` (parsing), `connection` (finding the platform), `output` (printing).
"""
