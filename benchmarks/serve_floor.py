"""The floor: a Flask app that reads a body and answers the same bytes each time, under the server of the app.

Run as a program; it listens where `FORECASTING_APP_PORT` says and answers the file named by `FLOOR_ANSWER`.
"""

import os
from pathlib import Path

import orjson
from flask import Flask, Response, request

from forecasting_platform.settings import Settings
from serve.http.server import server, whole_requests
from serve.http.whole_requests import WholeRequests


def serving() -> WholeRequests:
    """The app."""
    app = Flask(__name__)
    answer = Path(os.environ["FLOOR_ANSWER"]).read_bytes()

    @app.post("/predict")
    def predict() -> Response:
        orjson.loads(request.get_data())
        return Response(answer, mimetype="application/json")

    return whole_requests(app)


if __name__ == "__main__":
    server(Settings(), "benchmarks.serve_floor:serving").serve()
