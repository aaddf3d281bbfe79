"""One file per asset, named as the asset; each reads a port, calls a pure function and writes a port."""
