"""The metadata that Dagster shows of assets: one file per asset with much to show, and shared values."""
