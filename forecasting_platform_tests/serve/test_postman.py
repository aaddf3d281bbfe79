import json
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

COLLECTION = Path(__file__).parents[2] / "docs" / "postman_collection.json"


def test_the_postman_collection_asks_every_endpoint_and_tests_each_answer(client: FlaskClient) -> None:
    folders = json.loads(COLLECTION.read_text())["item"]
    requests: list[dict[str, Any]] = [item for folder in folders for item in folder["item"]]
    asked = {(item["request"]["method"].lower(), "/" + "/".join(item["request"]["url"]["path"])) for item in requests}
    described = client.get("/openapi.json").json["paths"]
    assert {(method, path) for path, methods in described.items() for method in methods} <= asked
    assert all(any(event["listen"] == "test" for event in item["event"]) for item in requests)
