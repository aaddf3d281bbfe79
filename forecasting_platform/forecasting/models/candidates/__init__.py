"""The candidates: one module each, listed in `registry`. Their weights belong to `models.combining`."""
