"""The command line: parses, calls a service or a running platform, prints. `cli` lists the commands.

Shared by them: `options` (how words are read), `connection` (where the platform is), `output` (what is printed).
"""
