"""Whether forecasts and data behave as they did in training, and the incidents when not. Alerts are sent elsewhere."""
