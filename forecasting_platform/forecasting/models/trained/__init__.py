"""A trained model: what it holds, how it forecasts, how new series join it, its document. `training` makes it."""
