"""The candidates: one module each, listed in `registry`. Their weights belong to `models.combining`.

Three methods have rooms: `ridge`, one regression a series and step; `pooled`, one model over all series; `filtered`, a
state that is filtered on the newest days.
"""
