"""The candidates: one module each, listed in `registry`. Their weights belong to `models.combining`.

Two methods have rooms: `ridge`, one regression a series and step, and `pooled`, one model over all series.
"""
