"""Loads a model in a new process, as another user of the registry would. `promotion` judges the result."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from forecasting_platform.adapters.model_artifact import read_artifact, write_artifact
from forecasting_platform.errors import InvalidArtifactError
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform.forecasting.promotion.decision_inputs import Fitness

_MEGABYTE = 2**20


def fitness_of(model: ForecastModel, *, timeout_seconds: float = 300) -> Fitness:
    """What it takes to load a version in a clean process, and how many of its forecasts are impossible.

    Raises:
        InvalidArtifactError: it cannot be loaded there, or not in time.
    """
    with tempfile.TemporaryDirectory(prefix="forecasting-") as folder:
        write_artifact(model, Path(folder))
        began = time.monotonic()
        impossible = _in_clean_process(Path(folder), timeout_seconds)
        took = time.monotonic() - began
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
    return Fitness(impossible, round(took, 3), size / _MEGABYTE)


def _in_clean_process(folder: Path, timeout_seconds: float) -> int:
    command = [sys.executable, "-m", "forecasting_platform.adapters.clean_process", str(folder)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout_seconds)
    except subprocess.TimeoutExpired as error:
        raise InvalidArtifactError("the challenger", f"it did not load within {timeout_seconds:.0f} s") from error
    if ran.returncode:
        reason = (ran.stderr.strip().splitlines() or ["it ended without a message"])[-1]
        raise InvalidArtifactError("the challenger", f"a clean process cannot load it: {reason}")
    return int(json.loads(ran.stdout)["impossible"])


def impossible_forecasts(model: ForecastModel) -> int:
    """How many forecasts of the next horizon are not finite, or leave the physical range."""
    impossible = 0
    for day in np.unique(model.feature_days):
        unique_ids = [name for name, of in zip(model.unique_ids, model.feature_days, strict=True) if of == day]
        days = (day + np.arange(1, model.horizon + 1)).tolist()
        forecasts = model.predict(model.inputs(days, unique_ids=unique_ids))
        lower = model.lower_bound[model.positions(forecasts.unique_id.tolist())]
        impossible += int((~np.isfinite(forecasts.y_hat) | (forecasts.y_hat < lower)).sum())
    return impossible


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"impossible": impossible_forecasts(read_artifact(Path(sys.argv[1])))}))
