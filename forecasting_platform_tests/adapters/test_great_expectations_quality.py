import logging
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from forecasting_platform.adapters import great_expectations_quality
from forecasting_platform.adapters.great_expectations_quality import QualityReport, validate_days, write_page
from forecasting_platform.forecasting.series.quality.data_quality import JUDGED_COLUMNS, judge_days
from forecasting_platform_tests.support.ordinary_values import JULY, PAST, changed, observations, series
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

NAME = 'Größe "x"; <b>drop</b> table'


def july() -> pd.DataFrame:
    return pd.concat([observations(), observations().assign(unique_id=NAME)], ignore_index=True)


def report(rows: pd.DataFrame) -> QualityReport:
    history = pd.concat([series(PAST), series(PAST, NAME)])
    return validate_days(rows, judge_days(rows.drop_duplicates(["unique_id", "ds"]), history, JULY), JULY)


def unmet(found: QualityReport) -> list[str]:
    return found.expectations.loc[~found.expectations["met"], "expectation"].tolist()


def test_days_like_the_past_meet_every_expectation() -> None:
    found = report(july())
    assert (found.passed, unmet(found)) == (True, [])
    assert found.expectations.columns.tolist() == ["expectation", "met", "judged", "unexpected"]
    assert len(found.expectations) == 11
    assert found.unexpected.empty


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (pd.concat([july(), july().head(1)], ignore_index=True), ["a series has one value a day"]),
        (july().assign(y=july()["y"].astype("float32")), ["a value is a number"]),
        (july().drop(index=3), ["every day that is due has a value"]),
        (changed(july(), "2023-07-10", 150.0), ["no value is unusually high", "no value jumps"]),
        (changed(july(), "2023-07-10", 40.0), ["no value is unusually low", "no value jumps"]),
        (july().assign(y=lambda rows: rows["y"].mask(rows["ds"] > "2023-07-20", 105.0)),
         ["no value stands still for unusually long"]),
    ],
    ids=["a day twice", "another kind", "a day missing", "high", "low", "a flat line"],
)  # fmt: skip
def test_what_is_wrong_is_named_and_nothing_else(rows: pd.DataFrame, expected: list[str]) -> None:
    found = report(rows)
    assert not found.passed
    assert unmet(found) == expected


def test_bad_rows_are_shown_with_series_day_and_value() -> None:
    rows = july()
    rows.loc[(rows["unique_id"] == NAME) & (rows["ds"] == "2023-07-10"), "y"] = 150.0
    sample = report(rows.drop(index=0)).unexpected
    high = sample[sample["expectation"] == "no value is unusually high"]
    missing = sample[sample["expectation"] == "every day that is due has a value"]
    assert high[["unique_id", "ds", "y"]].to_numpy().tolist() == [[NAME, "2023-07-10", 150.0]]
    assert missing[["unique_id", "ds"]].to_numpy().tolist() == [["a", "2023-07-01"]]


def test_first_loads_have_no_past_to_be_judged_by() -> None:
    nothing = judge_days(july(), july().iloc[:0], JULY)
    assert nothing.columns.tolist() == ["unique_id", "ds", *JUDGED_COLUMNS]
    assert validate_days(july(), nothing, JULY).passed


def test_the_page_names_the_claims_and_neither_loads_from_elsewhere_nor_holds_markup_of_a_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        page = report(changed(july(), "2023-07-10", 150.0)).page
    assert "no value is unusually high" in page
    policy = (
        "<head><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    )
    assert page.count("<head>") == page.count(policy) == 1
    assert "<b>drop</b>" not in page
    assert caplog.records == []


def test_pages_are_kept_by_name_and_the_oldest_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(great_expectations_quality, "PAGES_KEPT", 2)
    for second, name in enumerate(["first", "second", "third"]):
        path = write_page(tmp_path / "docs", name, f"<p>{name}</p>")
        os.utime(path, (second, second))
    write_page(tmp_path / "docs", "fourth", "<p>fourth</p>")
    assert sorted(page.stem for page in (tmp_path / "docs").iterdir()) == ["fourth", "third"]


_OFFLINE = """
import socket, sys
def refuse(*args, **kwargs):
    raise AssertionError("a network call")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
import forecasting_platform.definitions
assert "great_expectations" not in sys.modules, "great_expectations was imported"
from forecasting_platform_tests.adapters.test_great_expectations_quality import july, report
assert report(july()).passed
assert "great_expectations" in sys.modules
"""


def test_definitions_import_no_great_expectations_and_a_validation_calls_nobody() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GX_")}
    done = subprocess.run(
        [sys.executable, "-c", _OFFLINE], env=environment, cwd=Path(__file__).parents[2],
        capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("before", ["sys", "pyspark.sql"])
def test_a_worker_whose_main_module_is_no_file_is_not_ended_by_sparks_doctests(before: str) -> None:
    script = (
        f"import sys, {before}; from forecasting_platform.adapters import great_expectations_quality as quality; "
        "print(quality.import_great_expectations().__name__, "
        "[name for name, found in sys.modules.items() if found is None])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "great_expectations []\n"), done.stderr


def test_pages_that_another_load_drops_meanwhile_are_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        write_page(tmp_path, f"{number}", "page")
    listed = sorted(tmp_path.glob("*.html"))
    monkeypatch.setattr(Path, "glob", lambda *_: [*listed, tmp_path / "dropped.html"])
    assert write_page(tmp_path, "newest", "page").read_text() == "page"
