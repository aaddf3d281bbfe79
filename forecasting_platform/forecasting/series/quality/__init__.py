"""What may not be used: implausible, refused or illegal values, and values that differ from what the feed publishes."""
