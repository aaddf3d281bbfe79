"""What hostile input costs: requests to the app, and whatever else comes from outside. See `__main__`."""
