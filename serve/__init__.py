"""The app: answers forecasts over HTTP from the champion it holds in memory.

`app` puts it together, `routes` says what is answered, `champion` keeps the model, `answers` turns a
request into forecasts. It runs without dagster and without pyspark: it reads ports only.
"""
