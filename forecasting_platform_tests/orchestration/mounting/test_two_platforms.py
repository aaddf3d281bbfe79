"""Two platforms with a feed each in one code location, on real Postgres and MLflow: neither touches the other."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import psycopg
import pytest
from psycopg import sql

from forecasting_platform.definitions import build_definitions
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.orchestration.mounting.given_settings import GivenSettings
from forecasting_platform.orchestration.partitions import range_tags
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.mlflow_server import MlflowServer
from serve.http.app import create_app
from serve.service import service_of

pytestmark = pytest.mark.slow

DAYS = DateRange(date(2022, 4, 15), date(2023, 5, 31))
LEVELS = {"north": 100.0, "south": 900.0}


def feed(folder: Path, name: str) -> str:
    """The URL of a file with a series that is called as the platform, at its level."""
    rng = np.random.default_rng(len(name))
    values = LEVELS[name] + rng.normal(0, 5, len(DAYS))
    rows = [{"Date": f"{day:%d/%m/%Y}", name: value} for day, value in zip(DAYS, values, strict=True)]
    (folder / f"{name}.json").write_text(json.dumps(rows), encoding="utf-8")
    return (folder / f"{name}.json").as_uri()


@pytest.fixture
def project(
    tmp_path: Path, postgres_dsn: str, mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Runs a job of either platform, as a run of one instance does."""
    monkeypatch.setenv("TABLES", postgres_dsn)
    platforms = [
        build_definitions(
            name=name,
            settings=GivenSettings(
                feed_url=feed(tmp_path, name),
                first_partition_date=DAYS.start,
                mlflow_tracking_uri=mlflow_server.url,
                model_name=f"mounted_{name}",
            ),
            environment={"postgres_dsn": "TABLES"},
        )
        for name in LEVELS
    ]
    definitions = dg.Definitions.merge(*platforms)
    with dg.DagsterInstance.ephemeral() as instance:

        def run(job: str, days: DateRange | None = None) -> dg.ExecuteInProcessResult:
            found = definitions.resolve_job_def(job)
            return found.execute_in_process(instance=instance, tags=range_tags(days) if days else {})

        yield run


def rows_of(dsn: str, schema: str) -> dict[str, int]:
    """The number of rows of each table."""
    with psycopg.connect(dsn) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema]).fetchall()
        count = sql.SQL("SELECT count(*) FROM {}")
        return {
            name: int((connection.execute(count.format(sql.Identifier(schema, name))).fetchone() or (0,))[0])
            for (name,) in names
        }


def forecast(dsn: str, mlflow_url: str, name: str) -> float:
    """The app's answer for the day after the last, of a platform's own model and tables."""
    settings = Settings(
        postgres_dsn=dsn,  # type: ignore[arg-type] # a text becomes a secret
        postgres_schema=name,
        model_name=f"mounted_{name}",
        mlflow_tracking_uri=mlflow_url,
    )
    day = str(DAYS.end + timedelta(days=1))
    app = create_app(settings)
    answer = app.test_client().post("/predict", json={"start": day, "end": day})
    service_of(app).stop()
    assert answer.status_code == 200, answer.text
    (found,) = answer.json["forecasts"]
    assert (found["unique_id"], answer.json["model"]["name"]) == (name, f"mounted_{name}")
    return float(found["y_hat"])


def test_both_are_loaded_trained_promoted_and_served_and_one_is_dropped(
    project: Any, postgres_dsn: str, mlflow_server: MlflowServer
) -> None:
    for name in LEVELS:
        for job, days in (
            ("load_job", DAYS), ("training_job", None), ("promotion_job", None),
            ("forecast_job", DateRange(DAYS.end, DAYS.end)),
        ):  # fmt: skip
            assert project(f"{name}_{job}", days).success
    for name, level in LEVELS.items():
        assert forecast(postgres_dsn, mlflow_server.url, name) == pytest.approx(level, rel=0.1)
    north = rows_of(postgres_dsn, "north")
    assert (north["raw_observations"], north["forecasts"], north["promotion_decisions"]) == (len(DAYS), 15, 1)
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("DROP SCHEMA south CASCADE")
    assert rows_of(postgres_dsn, "north") == north
    assert project("north_load_job", DateRange(DAYS.end, DAYS.end)).success
    assert forecast(postgres_dsn, mlflow_server.url, "north") == pytest.approx(LEVELS["north"], rel=0.1)
