-- Run once, on an empty volume. `forecasting` is made by the image itself.
CREATE DATABASE dagster;
CREATE DATABASE mlflow;
