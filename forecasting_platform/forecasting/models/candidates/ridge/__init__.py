"""The direct regression: one ridge regression a series and step, its columns and its normal equations."""
