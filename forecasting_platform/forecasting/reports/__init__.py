"""What people look at: plots, model cards, accuracy, the platform as of a day. Nothing here decides anything."""
