"""What a day of data is: its dates, frames, features and quality. How it is forecast belongs to `models`."""
