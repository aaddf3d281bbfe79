"""The app: answers forecasts over HTTP from the champion, which it keeps in memory.

`http` has the endpoints and their schemas, `forecasts` loads the champion and computes answers, `telemetry` writes
logs, metrics, the prediction log and incidents; `service` builds these parts. It runs without dagster and pyspark.
"""
