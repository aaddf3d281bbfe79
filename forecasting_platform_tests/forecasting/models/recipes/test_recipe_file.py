"""A recipe from its TOML file: what is left out, and each mistake with its key and its remedy."""

from pathlib import Path

import pytest

from forecasting_platform.errors import RecipeFileError
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, default_recipe, recipe_from
from forecasting_platform.forecasting.models.recipes.recipe_file import parse_recipe, read_recipe
from forecasting_platform.forecasting.series.covariates.exogenous import KnownAtCutoff, KnownInAdvance
from forecasting_platform.forecasting.series.days.due_days import DueDays
from forecasting_platform.forecasting.series.days.series_calendars import Calendars, SeriesCalendar

WHOLE = """
horizon = 7
country = "GB-SCT"
shrinkage = 0.2
backtest_days = 365
refit_days = 30

[[exogenous]]
unique_id = "Temperature {step}"
known = "in_advance"

[candidates.direct_ridge]
prior_weight = 3
penalty = 1

[candidates.naive]
prior_weight = 1
"""


def test_a_file_says_everything_of_a_recipe() -> None:
    recipe = parse_recipe(WHOLE, Recipe())
    expected = default_recipe(7, "GB-SCT", ("naive", "direct_ridge"), [KnownInAdvance("Temperature {step}")])
    assert (recipe.horizon, recipe.country, recipe.shrinkage, recipe.backtest_days, recipe.refit_days) == (
        7, "GB-SCT", 0.2, 365, 30,
    )  # fmt: skip
    assert recipe.exogenous == expected.exogenous
    assert recipe.names == ("naive", "direct_ridge")
    assert recipe.prior.tolist() == [0.25, 0.75]
    assert recipe.to_document()["candidates"]["direct_ridge"]["penalty"] == 1.0
    assert recipe_from(recipe.to_document()) == recipe


def test_what_a_file_leaves_out_is_as_without_it() -> None:
    calendars = Calendars((SeriesCalendar(DueDays(weekdays=(4,)), prefix="weekly"),))
    defaults = default_recipe(9, "ES", exogenous=[KnownAtCutoff("Wind")], calendars=calendars)
    assert parse_recipe("", defaults) == defaults
    assert parse_recipe("exogenous = []", defaults).exogenous == ()
    assert parse_recipe("horizon = 3", defaults).fingerprint != defaults.fingerprint


def test_all_candidates_by_name_are_the_default_recipe() -> None:
    text = "".join(f"[candidates.{name}]\n" for name in reversed(Recipe().names))
    assert parse_recipe(text, Recipe()).fingerprint == Recipe().fingerprint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("horizont = 3", r"`horizont` is no key: did you mean `horizon`\? There are `horizon`, `country`, "),
        ("horizon = '3'", "`horizon`: input should be a valid integer, found '3'"),
        ("horizon = 61", "`horizon`: input should be less than or equal to 60, found 61"),
        ("horizon = true", "`horizon`: input should be a valid integer, found True"),
        ("country = 'Atlantis'", "`country`: 'Atlantis' is no country .* such as IE, GB or GB-SCT"),
        ("country = 'GB-XXX'", "`country`: 'GB-XXX' is no country"),
        ("shrinkage = nan", "`shrinkage`: input should be a finite number"),
        ("[candidates]", "`candidates`: dictionary should have at least 1 item"),
        ("[candidates.magic]", r"`candidates`: 'magic' is no candidate; choose one of \[.*'auto_arima', "),
        ("[candidates.naive]\npenalty = 1", "`candidates.naive.penalty` is no key: There are `prior_weight`"),
        ("[candidates.direct_ridge]\npenalti = 1", r"did you mean `penalty`\?"),
        ("[candidates.direct_ridge]\npenalty = '1'", "`candidates.direct_ridge.penalty`: .*valid number, found '1'"),
        ("[candidates.direct_ridge]\npenalty = -1", "`candidates.direct_ridge.penalty`: .*greater than or equal to 0"),
        ("[candidates.direct_ridge]\npenalty = inf", "`candidates.direct_ridge.penalty`: .*finite"),
        ("[candidates.naive]\nprior_weight = -1", "`candidates.naive.prior_weight`: .*greater than or equal to 0"),
        ("candidates.naive = 1", "`candidates.naive`: input should be an object, found 1"),
        ("[[exogenous]]\nunique_id = 'T'", r"`exogenous`: \{'unique_id': 'T'\} has known None; choose one of"),
        (
            "[[exogenous]]\nunique_id = 'y'\nknown = 'at_cutoff'",
            r"`exogenous`: names \['y'\], which the input",
        ),
        ("horizon = 1\nhorizont = 1\nx = 1", r"\(and 1 more\)"),
        ("horizon =", "it is no TOML: "),
        ("horizon = 2020-01-01", "`horizon`: input should be a valid integer, found '2020-01-01'"),
    ],
)
def test_a_mistake_is_told_with_its_key_and_its_remedy(text: str, message: str) -> None:
    with pytest.raises(RecipeFileError, match=f"the recipe my.toml: .*{message}"):
        parse_recipe(text, Recipe(), "my.toml")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeFileError, match=r"none\.toml: it cannot be read: No such file"):
        read_recipe(tmp_path / "none.toml", Recipe())
    (tmp_path / "latin.toml").write_bytes("country = 'Île'".encode("latin-1"))
    with pytest.raises(RecipeFileError, match=r"latin\.toml: it is no UTF-8 text"):
        read_recipe(tmp_path / "latin.toml", Recipe())


PERIODS = """
[[not_normal]]
start = 2020-03-15
end = 2020-05-31
reason = "pandemic"

[[not_normal]]
start = 2023-01-02
end = 2023-01-04
reason = "strike"
unique_id = ["Total"]
"""


def test_a_file_declares_periods_that_are_not_normal() -> None:
    recipe = parse_recipe(PERIODS, Recipe())
    assert recipe.not_normal.to_document() == [
        {"start": "2020-03-15", "end": "2020-05-31", "reason": "pandemic"},
        {"start": "2023-01-02", "end": "2023-01-04", "reason": "strike", "unique_id": ["Total"]},
    ]
    assert recipe_from(recipe.to_document()) == recipe


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("2023-01-04", "2023-01-01", r"`not_normal\[2\]`: end 2023-01-01 lies before start 2023-01-02"),
        ('reason = "strike"', "", r"`not_normal\[2\].reason`: field required"),
        ('reason = "strike"', 'reason = " "', r"`not_normal\[2\].reason`"),
        ('["Total"]', "[]", r"`not_normal\[2\].unique_id`"),
        ("2023-01-04", '"4 Jan 2023"', r"`not_normal\[2\].end`: input should be a valid date .*4 Jan 2023"),
        ("unique_id =", "series =", r"`not_normal\[2\].series` is no key: .*`unique_id`"),
    ],
)
def test_a_wrong_period_is_refused_with_its_table(old: str, new: str, said: str) -> None:
    with pytest.raises(RecipeFileError, match=said):
        parse_recipe(PERIODS.replace(old, new), Recipe())


EVENTS = """
[[events]]
name = "sale"
days = [2023-11-24, 2024-11-29]
days_before = 2
days_after = 1
unique_id = ["Total"]

[[events]]
name = "town fair"
every = ["06-24"]

[[events]]
name = "Bavaria"
holidays_of = "DE-BY"
"""


def test_a_file_declares_events() -> None:
    recipe = parse_recipe(EVENTS, Recipe())
    assert recipe.events.to_document() == [
        {
            "name": "sale", "days": ["2023-11-24", "2024-11-29"], "days_before": 2, "days_after": 1,
            "unique_id": ["Total"],
        },
        {"name": "town fair", "every": ["06-24"]},
        {"name": "Bavaria", "holidays_of": "DE-BY"},
    ]  # fmt: skip
    assert recipe_from(recipe.to_document()) == recipe
    assert "event: before sale +15" in recipe.exogenous_columns


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('every = ["06-24"]', "", r"`events\[2\]`: it has no day: give `days`, `every` or `holidays_of`"),
        ("06-24", "24 June", r"`events\[2\].every`: '24 June' is no day of a year; write it as MM-DD"),
        ("06-24", "02-30", r"`events\[2\].every`: '02-30' is no day"),
        ("DE-BY", "DE-XX", r"`events\[3\].holidays_of`: it is no country .*DE-XX"),
        ("days_before = 2", "days_before = 31", r"`events\[1\].days_before`: .*less than or equal to 30"),
        ("2024-11-29", '"29/11/2024"', r"`events\[1\].days\[2\]`: input should be a valid date"),
        ('name = "sale"', "", r"`events\[1\].name`: field required"),
        ("town fair", "{series}", r"`events\[2\].name`"),
        ('["Total"]', "[]", r"`events\[1\].unique_id`"),
        ("town fair", "before sale", r"`events`: names .'event: before sale'"),
    ],
)
def test_a_wrong_event_is_refused_with_its_table(old: str, new: str, said: str) -> None:
    with pytest.raises(RecipeFileError, match=said):
        parse_recipe(EVENTS.replace(old, new), Recipe())
