"""The adapters: one file per technology, and the only place that imports third-party clients. Promises: `ports`."""
