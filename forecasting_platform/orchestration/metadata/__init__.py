"""What Dagster's pages show of an asset: one file an asset with much to show, and the values that all share."""
