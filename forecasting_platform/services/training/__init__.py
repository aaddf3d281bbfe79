"""From `feature_table` to a registered challenger. Whether it serves is decided in `services.promotion`."""
