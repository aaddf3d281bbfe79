"""What the platform does, over ports: one file per asset or command that calls it.

Rooms hold what takes several files: `loading`, `training`, `promotion`, `backtests`. No framework and no adapter.
Concurrency, crashes and repetition are handled here; `forecasting_platform_tests.simulation` runs these functions
against each other.
"""
