"""How a benchmark reports: a table in the terminal, and one JSON file of the shape that the contract names."""

import itertools
import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from forecasting_platform.commands.terminal.output import print_rows

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "dagster",
    "flask",
    "granian",
    "mlflow",
    "numpy",
    "pandas",
    "psycopg",
    "pyarrow",
    "pyspark",
    "scikit-learn",
    "sqlalchemy",
    "statsmodels",
)


@dataclass(frozen=True, slots=True)
class Aim:
    """What was aimed at, what was measured, and whether it holds."""

    name: str
    value: float
    aim: str
    holds: bool


def report(name: str, rows: Sequence[Mapping[str, Any]], aims: Sequence[Aim]) -> None:
    """Print the rows and aims, and write `results/NAME.json`."""
    for _, alike in itertools.groupby(rows, key=tuple):
        print_rows(list(alike), title=name)
    print_rows([asdict(aim) for aim in aims], title="aims")
    write_results(name, rows, aims)


def write_results(name: str, rows: Sequence[Mapping[str, Any]], aims: Sequence[Aim]) -> None:
    """Write `results/NAME.json`; a long benchmark does so after each of its parts."""
    document = {
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "versions": {"python": platform.python_version()} | {package: version(package) for package in PACKAGES},
        "rows": [{name: _finite(value) for name, value in row.items()} for row in rows],
        "aims": [{name: _finite(value) for name, value in asdict(aim).items()} for aim in aims],
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    """JSON has no word for what was not measured, or never came."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
