"""Pools of Dagster's: work of which an instance runs so much at once, by `concurrency` in its `dagster.yaml`.

The embedded platform's has none, so that nothing waits there.
"""

TABLE_STORE = "table_store"
"""Runs that write loaded days and their features."""

TRAINING = "training"
"""Runs that train, each of which takes every core."""
