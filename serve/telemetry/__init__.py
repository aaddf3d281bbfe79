"""What the app records about itself: logs, metrics, the prediction log, incidents."""
