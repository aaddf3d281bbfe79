"""The arena's panels: whole days for every peer, cutoffs with a whole horizon after them, and documents of a folder."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.arena_panels import HORIZON, MAX_DAYS, MIN_DAYS, YEAR, of_folder, whole

DAYS = pd.date_range("2018-01-01", periods=MAX_DAYS + 100)


def test_a_panel_has_each_day_once_and_its_cutoffs_a_whole_horizon_ahead() -> None:
    rows = pd.DataFrame({"unique_id": "a", "ds": DAYS, "y": np.arange(len(DAYS), dtype=float), "sun": 1.0})
    panel = whole(rows.drop(index=len(rows) - 50), "IE", ["sun"])
    assert panel["ds"].tolist() == DAYS[-MAX_DAYS:].tolist()
    assert panel["y"].iloc[-50] == panel["y"].iloc[-51], "a missing day is like the day before"
    cutoffs = panel.loc[panel["is_cutoff"], "ds"]
    assert len(cutoffs) > 2
    assert cutoffs.min() > DAYS[-1] - pd.Timedelta(days=YEAR + 1)
    assert cutoffs.max() == DAYS[-1] - pd.Timedelta(days=HORIZON)


def test_a_folder_gives_a_panel_of_each_daily_document_and_says_what_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(name: str, days: pd.DatetimeIndex) -> None:
        values = np.random.default_rng(0).normal(10, 1, len(days)).round(3)
        pd.DataFrame({"Date": days.strftime("%Y-%m-%d"), name.split(".")[0]: values}).to_csv(
            tmp_path / name, index=False
        )

    write("daily.csv", DAYS[:MIN_DAYS])
    write("weekly.csv", DAYS[::7])
    (tmp_path / "broken.json").write_text('{"error": "access denied"}', encoding="utf-8")
    found = dict(of_folder(tmp_path))
    assert list(found) == ["daily"]
    said = capsys.readouterr().out
    assert "weekly.csv, without a daily series" in said
    assert "left out: broken.json" in said
