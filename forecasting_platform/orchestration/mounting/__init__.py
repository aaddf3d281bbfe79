"""A platform beside others in one code location: its settings, and copies of the definitions under its name.

`orchestration.names` has the rule of the names; `definitions` puts the copies together.
"""
