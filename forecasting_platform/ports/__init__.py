"""What the platform needs of the world, as Protocols and value types; the docstrings are the contract.

Nothing here does I/O. Each Protocol has one contract suite in the tests, run for every adapter.
"""
