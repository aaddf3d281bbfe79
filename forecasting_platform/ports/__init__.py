"""What the platform needs from outside, as Protocols and value types. Their docstrings are the contract.

Nothing here does I/O. The tests have one contract suite for each Protocol, run for every adapter.
"""
