"""The Grafana dashboard asks for metrics that the app has and columns that Postgres has. Grafana itself is not run."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient

DASHBOARD: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "deploy" / "grafana" / "dashboard.json").read_text(encoding="utf-8")
)
# They speak once there is something to say, which these tests do not wait for.
SPOKEN_LATER = {"forecasting_app_registry_silent_seconds", "forecasting_watcher_seen_timestamp_seconds"}


def targets(kind: str) -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            if kind in target:
                yield target[kind]


def test_every_metric_that_a_panel_asks_for_is_one_of_the_apps(client: FlaskClient) -> None:
    client.post("/predict", json={"start": "2023-07-01", "end": "2023-07-01"})
    client.post("/predict", json={"start": "no day"})
    told = set(re.findall(r"^(forecasting_\w+)", client.get("/metrics").text, flags=re.MULTILINE))
    asked = {name for expression in targets("expr") for name in re.findall(r"forecasting_\w+", expression)}
    assert len(asked) > 10
    assert asked - told - SPOKEN_LATER == set()


@pytest.mark.slow
def test_every_query_of_a_panel_runs_on_the_platforms_tables(prepared_dsn: str) -> None:
    queries = list(targets("rawSql"))
    assert len(queries) == 4
    columns: list[list[str]] = []
    with psycopg.connect(prepared_dsn) as connection:
        for query in queries:
            filled = re.sub(r"\$__timeFilter\((.+?)\)", r"\1 BETWEEN now() - interval '90 days' AND now()", query)
            found = [column.name for column in connection.execute(filled.encode()).description or []]
            columns.append(found)
    incidents = ["first_seen", "fingerprint", "state", "severity", "owner", "summary"]
    assert columns == [["time", "metric", "value"]] * 3 + [incidents]


def test_panels_do_not_overlap_and_each_names_its_source() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
        assert panel["datasource"]["uid"] in {"${prometheus}", "${postgres}"}
