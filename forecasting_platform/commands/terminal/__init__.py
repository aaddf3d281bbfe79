"""What commands share: the options they read, where they find the platform, and what they print."""
