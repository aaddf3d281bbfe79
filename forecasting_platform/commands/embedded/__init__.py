"""The commands for the embedded platform of a data directory: start and stop it, back it up, upgrade it."""
