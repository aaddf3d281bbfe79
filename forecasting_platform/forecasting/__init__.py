"""The pure core: frames in, frames out. No Dagster, no I/O, no clock, no environment."""
