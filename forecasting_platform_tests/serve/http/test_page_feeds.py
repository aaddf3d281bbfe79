"""The section of feeds on the demo page, in a real browser."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from forecasting_platform_tests.serve.http.test_feeds import hold
from forecasting_platform_tests.support.chromium import PATIENCE_MILLISECONDS, needs_chromium, running_chromium
from forecasting_platform_tests.support.recorded_feeds import FEEDS
from forecasting_platform_tests.support.web_servers import served

pytestmark = [pytest.mark.browser, pytest.mark.slow, needs_chromium]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    page = browser.new_page(timezone_id="UTC")
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    yield page
    page.close()


def facts(tile: Any) -> dict[str, str]:
    return dict(zip(tile.locator("dt").all_text_contents(), tile.locator("dd").all_text_contents(), strict=True))


def test_each_feed_is_shown_with_its_load_its_refusals_and_its_next_day(app: Any, ledger: Any, page: Any) -> None:
    ledger.change_feed_loads(lambda _: FEEDS)
    with served(app) as url:
        page.goto(url)
        page.wait_for_selector("#feeds h3")
        tiles = {tile.locator("h3").inner_text(): tile for tile in page.locator("#feeds > li").all()}
        states = {name: tile.locator(".badge").all_inner_texts() for name, tile in tiles.items()}
        assert states == {"bikes": ["never loaded"], "ecb": ["late", "failing"], "gas": ["late", "loaded"]}
        assert "it is a web page" in tiles["bikes"].locator(".problem").inner_text()
        assert facts(tiles["bikes"])["Last load"] == "never"
        assert "503 SERVICE UNAVAILABLE" in tiles["ecb"].locator(".problem").inner_text()
        assert tiles["ecb"].locator(".when").inner_text() == "since 29 Jun 2023, 06:00"
        failed = facts(tiles["ecb"])
        assert (failed["Last tried"], failed["Last load"]) == ("1 Jul 2023, 06:00", "28 Jun 2023, 06:00")
        assert failed["Not yet"] == failed["Next due"] == "Wed, 28 Jun 2023"
        assert failed["Late since"] == "28 Jun 2023, 14:00"
        shown = facts(tiles["gas"])
        assert shown["Days loaded"] == "17 Jun 2023 to 30 Jun 2023"
        assert shown["Stored"] == "2,000 values: 28 new, 2 revised"
        assert shown["Refused"] == "1 row of 2,007, 1 value"
        assert shown["Newest day"] == "Fri, 30 Jun 2023"
        tiles["gas"].locator("summary").click()
        assert "Row 1,119: its date names no day" in tiles["gas"].locator("details").inner_text()
        assert "Row 3, Corrib production: not a number" in tiles["gas"].locator("details").inner_text()


def test_an_actual_that_is_held_back_is_noted_and_left_out_of_the_line(app: Any, store: Any, page: Any) -> None:
    hold(store, ("Corrib production", date(2023, 6, 30), "too low"))
    with served(app) as url:
        page.goto(url)
        page.wait_for_selector("#values tbody tr")
        page.get_by_label("From").fill("2023-06-30")
        page.get_by_label("To", exact=True).fill("2023-07-02")
        page.get_by_role("button", name="Forecast").click()
        page.wait_for_selector("text=the actual is held back: too low")
        plotted = "(day) => page.plot.data[1][page.plot.data[0].indexOf(Date.UTC(2023, 5, day) / 1000)]"
        assert page.evaluate(plotted, 30) is None
        assert page.evaluate(plotted, 29) is not None


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_no_width_of_a_window_is_too_narrow_for_the_feeds(app: Any, ledger: Any, page: Any, width: int) -> None:
    ledger.change_feed_loads(lambda _: FEEDS)
    with served(app) as url:
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(url)
        page.wait_for_selector("#values tbody tr")
        page.wait_for_selector("#feeds h3")
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_feeds_are_shown_where_there_is_no_champion_yet(make_app: Any, ledger: Any, page: Any) -> None:
    from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry

    ledger.change_feed_loads(lambda _: FEEDS)
    with served(make_app(registry=MemoryModelRegistry())) as url:
        page.goto(url)
        page.wait_for_selector("#feeds h3")
        page.wait_for_selector("text=There is no champion yet")
        assert page.locator("#feeds > li").count() == 3


def test_before_any_load_the_page_says_so(app: Any, page: Any) -> None:
    with served(app) as url:
        page.goto(url)
        page.wait_for_selector("text=No feed was loaded yet.")
