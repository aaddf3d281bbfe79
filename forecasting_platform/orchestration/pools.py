"""Dagster's pools. `concurrency` in an instance's `dagster.yaml` limits how many runs of a pool run at once.

The embedded platform has no limit, so that nothing waits there.
"""

TABLE_STORE = "table_store"
"""Runs that write loaded days and their features."""

TRAINING = "training"
"""Runs that train, each of which takes every core."""
