"""A day of data: its dates, frames, features and quality. How it is forecast belongs to `models`."""
