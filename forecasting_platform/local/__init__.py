"""The embedded platform: Postgres from a wheel, MLflow, Dagster and the app under one supervisor.

Here: starting, watching and stopping processes on one machine, and asking Dagster over HTTP. Not here:
what the processes do, and any import of dagster.
"""
