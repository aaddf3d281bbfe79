"""Events: which days are theirs, and the columns of panels and feature rows that follow from them."""

from datetime import date

import numpy as np
import pytest

from forecasting_platform.forecasting.series.covariates.events import Event, Events
from forecasting_platform.forecasting.series.features.panel import Panel
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES

DAYS = np.arange(np.datetime64("2023-12-20"), np.datetime64("2024-01-10"))


def held(event: Event, part: str = "", days: np.ndarray = DAYS) -> list[str]:
    return [str(day)[5:] for day in days[event.holds(part, days)]]  # type: ignore[arg-type] # one of its parts


def test_days_are_listed_of_each_year_or_a_countrys_holidays() -> None:
    assert held(Event("sale", days=(date(2023, 12, 22), date(2030, 1, 1)))) == ["12-22"]
    assert held(Event("fair", every=("12-31", "01-02"))) == ["12-31", "01-02"]
    assert held(Event("bavaria", holidays_of="DE-BY")) == ["12-25", "12-26", "01-01", "01-06"]
    assert held(Event("berlin", holidays_of="DE-BE")) == ["12-25", "12-26", "01-01"]
    leap = np.arange(np.datetime64("2023-02-01"), np.datetime64("2025-04-01"))
    assert held(Event("leap", every=("02-29",)), days=leap) == ["02-29"]


def test_windows_are_the_days_around_that_are_no_day_of_the_event() -> None:
    event = Event("sale", days=(date(2023, 12, 27), date(2023, 12, 29)), days_before=2, days_after=1)
    assert held(event, "before ") == ["12-25", "12-26", "12-28"]
    assert held(event, "after ") == ["12-28", "12-30"]
    # Of days that lie outside, as far as their windows reach inside.
    far = Event("sale", days=(date(2024, 1, 12), date(2023, 12, 18)), days_before=4, days_after=3)
    assert held(far, "before ") == ["01-08", "01-09"]
    assert held(far, "after ") == ["12-20", "12-21"]
    assert held(Event("sale", days=(date(2023, 12, 27),)), "before ") == []


EVENTS = Events(
    (
        Event("sale", days=(date(2023, 12, 27),), days_before=1, unique_id=("a",)),
        Event("sale", days=(date(2023, 12, 29),), unique_id=("b",)),
        Event("fair", every=("01-02",)),
    )
)


def test_tables_of_one_name_are_one_event_whose_days_are_of_each_series() -> None:
    assert [declared.unique_id for declared in EVENTS.declared] == [
        "event: sale", "event: before sale", "event: fair",
    ]  # fmt: skip
    names = tuple(column for declared in EVENTS.declared for column in declared.columns(3))
    features = np.full((2, len(DAYS), len(FEATURE_NAMES)), 1.0)
    features[1, 5] = np.nan
    panel = Panel(("a", "b"), DAYS, features).with_exogenous(names).with_events(EVENTS, 3)

    def column(series: int, name: str) -> list[str]:
        values = panel.features[series, :, len(FEATURE_NAMES) + names.index(name)]
        return [str(day)[5:] for day in DAYS[values == 1]]

    assert (column(0, "event: sale"), column(1, "event: sale")) == (["12-27"], ["12-29"])
    assert (column(0, "event: sale +2"), column(1, "event: sale +2")) == (["12-25"], ["12-27"])
    assert (column(0, "event: before sale +1"), column(1, "event: before sale")) == (["12-25"], [])
    assert column(0, "event: fair +3") == column(1, "event: fair +3") == ["12-30"]
    # A day without a row has none; every other value is known.
    assert np.isnan(panel.features[1, 5]).all()
    assert np.isfinite(panel.features[0]).all()


def test_a_row_has_what_the_panel_has_on_its_day() -> None:
    names = tuple(column for declared in EVENTS.declared for column in declared.columns(3))
    panel = Panel(("a", "b"), DAYS, np.ones((2, len(DAYS), len(FEATURE_NAMES)))).with_exogenous(names)
    filled = panel.with_events(EVENTS, 3)
    for at in (0, 6, len(DAYS) - 1):
        rows = EVENTS.fill_rows(panel.features[:, at], names, ("a", "b"), DAYS[[at, at]], 3)
        assert np.array_equal(rows, filled.features[:, at])


def test_events_are_stored_and_read_again() -> None:
    whole = Events((*EVENTS.each, Event("local", holidays_of="GB-SCT", days_after=3)))
    assert Events.from_document(whole.to_document()) == whole
    assert EVENTS.unknown_series(["a"]) == ["b"]
    assert EVENTS.without_days(date(2023, 12, 1), date(2023, 12, 31)) == ["fair"]


@pytest.mark.parametrize("span", [1, 400])
def test_no_day_is_lost_in_a_long_or_a_short_range(span: int) -> None:
    event = Event("fair", every=("12-31",))
    days = np.arange(np.datetime64("2023-12-31"), np.datetime64("2023-12-31") + span)
    expected = [day for day in days.tolist() if (day.month, day.day) == (12, 31)]
    assert days[event.holds("", days)].tolist() == expected
