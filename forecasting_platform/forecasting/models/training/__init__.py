"""From `feature_table` to a trained model: backtest every candidate, weigh, refit, calibrate and score."""
