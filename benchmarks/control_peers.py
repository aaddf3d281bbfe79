"""The peers of `benchmarks.control`, each really run, in an environment of their own.

NannyML: the mean (or RMSE) of chunks of 7 days against the reference's chunks ± 3 standard deviations.
Evidently: once a week the newest 28 days against the reference, by `DataDriftPreset` (bias), or by the
RMSE test that `RegressionPreset` makes of the reference. This file is also the script that their
interpreter runs, so it imports nothing of this project.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = ("nannyml==0.13.1", "evidently==0.7.23", "pandas<3")
SETTLED, CHUNK, WINDOW, YEAR = 60, 7, 28, 365
Paging = np.ndarray


@dataclass(frozen=True, slots=True)
class Streams:
    """Daily errors of S series: reference (S, days), calm years (S, Y, 365), paths to be changed (S, Y, days)."""

    reference: np.ndarray
    calm: np.ndarray
    before_change: np.ndarray


def run_peers(
    streams: Streams, changes: Sequence[Any], *, sampled: int
) -> Iterator[tuple[str, str, float, dict[str, Any]]]:
    """Family, method, series-years and what was found, of each peer on the first `sampled` series."""
    # Here, since their interpreter runs this file too.
    from benchmarks.environments import python_with

    with tempfile.TemporaryDirectory() as folder:
        task = Path(folder) / "streams.npz"
        changed = {str(change): change.apply(streams.before_change[:sampled, 0]) for change in changes}
        np.savez(task, reference=streams.reference[:sampled], calm=streams.calm[:sampled], **changed)
        environment = os.environ | {"NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}
        done = subprocess.run(
            [python_with("control", PACKAGES), __file__, str(task)],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
    for found in json.loads(done.stdout.splitlines()[-1]):
        yield found["family"], found["method"], found["series_years"], found["measures"]


# --- what runs in the peers' environment ---


def nannyml(family: str, reference: np.ndarray, path: np.ndarray) -> Paging:
    """Whether each chunk of a path pages."""
    import nannyml as nml

    if family == "bias":
        calculator, column = nml.SummaryStatsAvgCalculator(column_names=["error"], chunk_size=CHUNK), "error"
    else:
        calculator, column = (
            nml.PerformanceCalculator(
                y_pred="y_hat", y_true="error", problem_type="regression", metrics=["rmse"], chunk_size=CHUNK
            ),
            "rmse",
        )
    calculator.fit(_frame(reference))
    found = calculator.calculate(_frame(path)).filter(period="analysis").to_df()
    return found[column, "alert"].to_numpy(dtype=bool)[: len(path) // CHUNK]


def evidently(family: str, reference: np.ndarray, path: np.ndarray) -> Paging:
    """Whether each week's newest 28 days page; the first three weeks are too short to be asked."""
    weeks = range(CHUNK, len(path) + 1, CHUNK)
    ask = _drifts if family == "bias" else _fails_rmse
    return np.array([end >= WINDOW and ask(_frame(reference), _frame(path[end - WINDOW : end])) for end in weeks])


def _drifts(reference: Any, newest: Any) -> bool:
    from evidently import Report
    from evidently.presets import DataDriftPreset

    found = Report([DataDriftPreset(columns=["error"])]).run(newest[["error"]], reference[["error"]]).dict()
    return bool(found["metrics"][0]["value"]["count"])


def _fails_rmse(reference: Any, newest: Any) -> bool:
    from evidently import DataDefinition, Dataset, Regression, Report
    from evidently.presets import RegressionPreset

    definition = DataDefinition(regression=[Regression(target="error", prediction="y_hat")])
    both = [Dataset.from_pandas(rows[["error", "y_hat"]], data_definition=definition) for rows in (newest, reference)]
    tests = Report([RegressionPreset()], include_tests=True).run(*both).dict()["tests"]
    return any(test["name"].startswith("RMSE") and "FAIL" in str(test["status"]) for test in tests)


def _frame(errors: np.ndarray) -> Any:
    import pandas as pd

    return pd.DataFrame({"error": errors, "y_hat": 0.0, "timestamp": pd.date_range("2020-01-01", periods=len(errors))})


def measure(family: str, method: Any, streams: dict[str, np.ndarray], series: int, years: int) -> dict[str, Any]:
    """Stretches of pages in calm years, and days to the first page after each change, at the end of its chunk."""
    calm = [method(family, streams["reference"][s], streams["calm"][s, y]) for s in range(series) for y in range(years)]
    starts = sum(int(pages[0]) + int((pages[1:] & ~pages[:-1]).sum()) for pages in calm)
    found = {"pages": starts / len(calm)}
    for change in streams:
        if change.startswith(family):
            paths = [method(family, streams["reference"][s], streams[change][s]) for s in range(series)]
            found[change] = _median_delay(paths)
    return found


def _median_delay(paths: list[Paging]) -> float:
    before = SETTLED // CHUNK
    calm = [pages for pages in paths if not pages[:before].any()]
    days = [
        (before + int(pages[before:].argmax()) + 1) * CHUNK - SETTLED if pages[before:].any() else np.inf
        for pages in calm
    ]
    return float(np.median(days)) if days else float("nan")


def main() -> None:
    """Measure the streams of a file; print JSON."""
    with np.load(sys.argv[1]) as stored:
        streams = dict(stored)
    series = len(streams["reference"])
    rows = []
    for family in ("bias", "rmse"):
        for name, method, count, years in (
            ("NannyML, chunks of 7 days ± 3σ", nannyml, series, 1),
            # A second or two an answer: three series-years are what a benchmark can wait for.
            ("Evidently preset, weekly on 28 days", evidently, min(3, series), 1),
        ):
            measures = measure(family, method, streams, count, years)
            rows.append({"family": family, "method": name, "series_years": count * years, "measures": measures})
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
