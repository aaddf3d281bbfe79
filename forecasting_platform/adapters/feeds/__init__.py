"""Feeds of observations: one file per source or per step from its bytes to its values."""
