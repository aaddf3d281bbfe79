"""What is known of a day besides the values: weather, plans, events. Holidays are in `days.calendar`."""
