"""What stays inside: hosts and drivers' texts, keys, credentials in logs, formulas in CSV."""

import csv
import gc
import io
import json
import logging
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.csv_cells import FORMULA_STARTS, cell
from forecasting_platform.errors import (
    ConfigurationError,
    ForecastingPlatformError,
    RegistryUnavailableError,
    StoreUnavailableError,
)
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.json_lines import JsonLines
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.served_model import SERIES, MakeApp
from serve.service import service_of

NEXT = {"start": "2023-07-01", "end": "2023-07-15"}
INTERNAL = "internal.example:5432"


class Broken:
    """A store or ledger of which every call fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def fail(*_: object, **__: object) -> None:
            raise self._error

        return fail


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            StoreUnavailableError(f"Postgres at {INTERNAL}/forecasting", f"could not connect to {INTERNAL}"),
            "table store",
        ),
        (RegistryUnavailableError(f"MLflow at http://{INTERNAL}", "refused"), "model registry"),
        (ConfigurationError("FORECASTING_POSTGRES_DSN", f"lacks rights on {INTERNAL}"), "FORECASTING_POSTGRES_DSN"),
    ],
)
@pytest.mark.parametrize("path", ["/history", "/decisions", "/alerts", "/feeds"])
def test_a_503_names_the_part_and_nothing_inside_while_the_log_does(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, error: ForecastingPlatformError, said: str, path: str
) -> None:
    caplog.set_level("INFO", logger="serve.errors")
    broken = Broken(error)
    answer = make_app(store=broken, ledger=broken).test_client().get(path)
    assert answer.status_code == 503
    assert said in answer.json["detail"]
    assert "internal" not in answer.text
    assert INTERNAL in str([vars(record) for record in caplog.records])


def test_of_the_keys_only_hashes_are_kept(make_app: MakeApp) -> None:
    key = "a-plain-key-kept-nowhere"
    app = make_app(Settings(api_keys=SecretStr(key), api_key=SecretStr(key), champion_poll_seconds=0.05))
    assert app.test_client().get("/model", headers={"X-API-Key": key}).status_code == 200
    gc.collect()
    held = [found for found in gc.get_objects() if isinstance(found, Settings) and found.api_keys is not None]
    assert [settings for settings in held if key in settings.api_keys.get_secret_value()] == []
    assert key not in str(vars(service_of(app).keys))


@pytest.mark.parametrize("place", ["message", "argument", "field", "traceback"])
def test_a_line_of_the_log_holds_no_credentials_of_a_url(place: str) -> None:
    url = "http://operator:secret@mlflow.example:5000/api"
    fields: dict[str, Any] = {"name": "a", "levelno": 20, "levelname": "INFO", "msg": "asked %s", "args": ("it",)}
    if place == "message":
        fields |= {"msg": f"asked {url}", "args": None}
    elif place == "argument":
        fields |= {"args": (url,)}
    elif place == "field":
        fields |= {"reason": url}
    else:
        error = ValueError(f"no answer from {url}")
        fields |= {"exc_info": (ValueError, error, None)}
    line = JsonLines().format(logging.makeLogRecord(fields))
    assert "secret" not in line
    assert "operator" not in line
    if place != "traceback":
        assert "http://mlflow.example:5000/api" in str(json.loads(line)) or place == "argument"


FORMULA = '=HYPERLINK("http://evil.example")'


def test_a_series_named_as_a_formula_is_text_in_csv_and_itself_in_json(make_app: MakeApp, model: ForecastModel) -> None:
    registry = MemoryModelRegistry()
    hostile = replace(model, unique_ids=(FORMULA, SERIES[1]))
    registry.move_champion(registry.register(hostile, plots={}, run_tags={}), expected=None)
    client = make_app(registry=registry, store=None).test_client()
    asked = {"start": "2023-06-16", "end": "2023-06-17", "unique_id": FORMULA}
    for path, name in (("/predict", "forecasts"), ("/simulate", "inputs")):
        table = list(csv.DictReader(io.StringIO(client.post(path, json=asked, headers={"Accept": "text/csv"}).text)))
        assert {row["unique_id"] for row in table} == {f"'{FORMULA}"}
        assert {row["unique_id"] for row in client.post(path, json=asked).json[name]} == {FORMULA}


@pytest.mark.parametrize("start", sorted(FORMULA_STARTS))
def test_no_text_begins_as_a_formula_and_no_number_is_changed(start: str) -> None:
    assert cell(f"{start}1+1") == f"'{start}1+1"
    assert cell(start) == f"'{start}"
    for number in ("-3.5", "+3", "-1e-05", -3.5, 0, None, True, "", "a", "a=1"):
        assert cell(number) == number
