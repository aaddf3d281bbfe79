"""Every port in memory, for fast tests and experiments. Nothing outlives the process."""
