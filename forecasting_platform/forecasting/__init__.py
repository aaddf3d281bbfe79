"""The pure middle: frames in, frames out. No Dagster, no I/O, no clock, no environment here."""
