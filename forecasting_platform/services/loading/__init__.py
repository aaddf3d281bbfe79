"""From a feed to `raw_observations`: load days, record how it went, and how far a feed reaches."""
