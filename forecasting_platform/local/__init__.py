"""The embedded platform: Postgres from a wheel, MLflow, Dagster and the app under one supervisor.

Starts, watches and stops processes on one machine, and calls Dagster over HTTP. What the processes do does not belong
here, nor does any import of dagster.
"""
