"""A forecasting platform on Dagster. A day of data moves one way:

feed -> `raw_observations` -> `feature_table` -> `trained_model` -> `champion_model` -> `forecasts`
-> `/predict` -> `forecast_errors` -> checks -> alerts.

`forecasting` is pure, `ports` says what is promised, `adapters` keeps the promises, one technology
a file, `orchestration` is the only place that knows Dagster, `definitions` puts it all together.
"""
