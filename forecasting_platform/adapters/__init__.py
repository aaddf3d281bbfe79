"""One file, one technology: the only place of third-party clients. What they promise stands in `ports`."""
