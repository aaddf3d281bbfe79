"""Days: ranges of them, their weekdays and holidays, which of them have values due, and which were not normal."""
