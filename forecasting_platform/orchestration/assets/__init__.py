"""The assets: one file each, named as the asset. Each reads what was asked, calls one service and returns metadata."""
