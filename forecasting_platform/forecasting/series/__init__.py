"""A day of data: what it is, before anything forecasts it. How it is forecast belongs to `models`.

Rooms, each of which imports only those before it: `days` (which days there are) → `covariates` (what is known besides
the values) → `features` (what a model learns from and answers from) → `quality` (what may not be used). Tables that
cross a port are declared in `frames`; whether a series is constant, ended or new is defined in `lifetime`.
"""
