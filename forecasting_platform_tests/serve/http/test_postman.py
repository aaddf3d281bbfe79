"""The Postman collection: it asks everything the API has, and every answer is what its tests expect."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS
from forecasting_platform_tests.support.web_servers import served

ROOT = Path(__file__).parents[3]
COLLECTION, ENVIRONMENT = (ROOT / "docs" / f"postman_{name}.json" for name in ("collection", "environment"))
NEWMAN = ROOT / ".ci" / "postman" / "node_modules" / ".bin" / "newman"


def requests_of(folder: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in folder["item"]:
        yield from requests_of(item) if "item" in item else [item]


def test_the_postman_collection_asks_every_endpoint_and_tests_each_answer(client: FlaskClient) -> None:
    requests = list(requests_of(json.loads(COLLECTION.read_text())))
    asked = {(item["request"]["method"].lower(), "/" + "/".join(item["request"]["url"]["path"])) for item in requests}
    described = client.get("/openapi.json").json["paths"]
    assert {(method, path) for path, methods in described.items() for method in methods} <= asked
    assert all(any(event["listen"] == "test" for event in item["event"]) for item in requests)


@pytest.mark.slow
@pytest.mark.skipif(not NEWMAN.exists(), reason="no newman: run `npm ci --prefix .ci/postman`")
def test_newman_runs_the_collection_against_the_app_without_a_failure(app: Flask) -> None:
    with served(app) as url:
        options = ["--environment", str(ENVIRONMENT), "--env-var", f"base_url={url}", "--color", "off"]
        ran = subprocess.run(
            [NEWMAN, "run", COLLECTION, *options], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
    assert ran.returncode == 0, ran.stdout
