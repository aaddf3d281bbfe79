"""What the app records of itself: logs, metrics, the prediction log, incidents."""
