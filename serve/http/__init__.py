"""Requests and answers: routes, schemas, middleware, errors. What is answered is made in `serve.forecasts`."""
