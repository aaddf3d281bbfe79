"""Requests and answers: server, middleware, routes, schemas, errors. Forecasts are computed in `serve.forecasts`."""
