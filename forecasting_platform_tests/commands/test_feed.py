"""`feed inspect` and `feed check`: from an unknown document to a checked description, on the command line."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from forecasting_platform import cli

START = date(2021, 1, 1)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Eighty days of one series, with a total at the end and one day missing."""
    days = [START + timedelta(days=place) for place in range(80) if place != 40]
    rows = [f"{day:%d/%m/%Y};{500 + day.toordinal() * 7919 % 499},5" for day in days]
    path = tmp_path / "gas.csv"
    path.write_text("\n".join(["Tag;Größe [GWh]", *rows, "Total;99,0", ""]), encoding="utf-8")
    return path


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.main, ["feed", *words], catch_exceptions=False)


def test_an_inspected_feed_is_checked_by_the_file_that_was_written(published: Path, tmp_path: Path) -> None:
    file = tmp_path / "gas.yaml"
    assert run("inspect", str(published), "--write", str(file)).exit_code == 0
    assert file.read_text(encoding="utf-8").splitlines()[2] == f"  url: {published.as_uri()}"
    checked = json.loads(run("check", str(file), "--json").stdout)
    wanted = {"values": 79, "series": 1, "refused": 1, "first": "2021-01-01", "last": "2021-03-21", "missing_days": 1}
    assert {key: checked[key] for key in wanted} == wanted
    assert checked["missing"] == ["2021-02-10"]
    assert checked["months"]["2021-02"] == {"Größe [GWh]": 27}
    assert checked["examples"][0] | {"reason": ""} == {"row": 80, "series": None, "written": "Total;99,0", "reason": ""}


def test_what_a_person_reads_names_evidence_preview_sparkline_and_refusals(published: Path) -> None:
    printed = run("inspect", f"file://{published}").stdout
    for word in ("%d/%m/%Y", "day first: row 13", "2021-03-21", "▁", "Total;99,0", "not sure", 'delimiter: ";"'):
        assert word in printed
    summary = "79 values in 1 series, 2021-01-01..2021-03-21; 1 refused; 1 due days without a value: 2021-02-10"
    assert summary in _checked(published)


def _checked(published: Path) -> str:
    file = published.with_suffix(".yaml")
    run("inspect", str(published), "--write", str(file))
    return run("check", str(file)).stdout


def test_as_json_the_proposal_is_a_description_with_its_doubts(published: Path) -> None:
    proposal = json.loads(run("inspect", str(published), "--json").stdout)
    assert proposal["description"]["dialect"] == {"delimiter": ";", "decimalChar": ","}
    assert proposal["yaml"].startswith("# yaml-language-server: $schema=")
    assert len(proposal["preview"]) == 5
    assert {doubt["at"] for doubt in proposal["not_sure"]} == {"publication"}


def test_a_file_that_is_there_is_not_written_over(published: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("mine", encoding="utf-8")
    result = run("inspect", str(published), "--write", str(file))
    assert (result.exit_code, file.read_text(encoding="utf-8")) == (1, "mine")
    assert "is there already" in result.stderr


def test_a_document_without_a_layout_is_exit_code_1_and_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<!DOCTYPE html>", encoding="utf-8")
    result = run("inspect", str(path))
    assert result.exit_code == 1
    assert "it is a web page. Give the URL of the file itself" in result.stderr


def test_a_description_in_which_something_has_to_be_chosen_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_text("\n".join(["Date,v", *(f"0{day}/02/2021,{day * 7}" for day in range(1, 9))]), encoding="utf-8")
    file = tmp_path / "short.yaml"
    inspected = run("inspect", str(path), "--write", str(file))
    assert inspected.exit_code == 0
    assert "choose in the file, or nothing is loaded by it" in inspected.stdout
    checked = run("check", str(file))
    assert checked.exit_code == 1
    assert f"{file}, line 7" in checked.stderr


def test_a_header_without_a_colon_is_wrong_usage(published: Path) -> None:
    assert run("inspect", str(published), "--header", "x-key").exit_code == 2
