"""The demo page as a person meets it, in a real browser against a real server."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.forecasting.models.trained.forecasts import PARTS
from forecasting_platform.forecasting.models.trained.model import ForecastModel
from forecasting_platform_tests.support.chromium import PATIENCE_MILLISECONDS, needs_chromium, running_chromium
from forecasting_platform_tests.support.sale_model import sale_model
from forecasting_platform_tests.support.web_servers import served

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    needs_chromium,
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def serve() -> Iterator[Any]:
    """Serves an app; its URL."""
    with ExitStack() as running:
        yield lambda app: running.enter_context(served(app))


@pytest.fixture
def open_page(browser: Any) -> Iterator[Any]:
    """Opens pages, and fails the test in the end if one of them complained or asked another host."""
    pages, complaints = [], []

    def open_at(url: str, **options: Any) -> Any:
        page = browser.new_page(**options)
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request", lambda asked: complaints.append(asked.url) if not asked.url.startswith((url, "data:")) else None
        )
        page.goto(url)
        pages.append(page)
        return page

    yield open_at
    for page in pages:
        page.close()
    # A refused request is reported by the browser; the page shows it to the person.
    assert [text for text in complaints if "status of 4" not in text] == []


def expect_rows(page: Any, count: int) -> None:
    from playwright.sync_api import expect

    expect(page.locator("#values tbody tr")).to_have_count(count)


def drawn_pixels(page: Any) -> int:
    return int(
        page.evaluate(
            """() => {
                const canvas = document.querySelector("#plot canvas");
                const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                return data.filter((value, index) => index % 4 === 3 && value).length;
            }"""
        )
    )


def test_the_page_shows_the_forecast_the_champion_and_what_happened(app: Any, serve: Any, open_page: Any) -> None:
    page = open_page(serve(app))
    page.wait_for_selector("#values tbody tr")
    assert page.locator("#values tbody tr").count() == 15
    assert drawn_pixels(page) > 2000
    assert "version 1" in page.text_content("#champion-line")
    assert "bias 3 GWh" in page.text_content("#alerts")
    assert "the first champion" in page.text_content("#decisions")
    assert "Corrib production" in page.text_content("#scores")


def test_choosing_days_and_a_series_asks_for_their_forecast(app: Any, serve: Any, open_page: Any) -> None:
    page = open_page(serve(app))
    page.wait_for_selector("#values tbody tr")
    page.get_by_label("Series").select_option('Größe "x"; drop table')
    page.get_by_label("From").fill("2023-06-14")
    page.get_by_label("To", exact=True).fill("2023-06-17")
    with page.expect_request(lambda request: "2023-06-14" in (request.post_data or "")) as asked:
        page.get_by_label("To", exact=True).press("Enter")
    assert asked.value.post_data_json == {
        "start": "2023-06-14",
        "end": "2023-06-17",
        "unique_id": 'Größe "x"; drop table',
        "explain": True,
    }
    expect_rows(page, 4)
    # A past range stands beside what came: four actuals, two of the days seen in training.
    assert "seen in training" in page.text_content("#values tbody tr:first-child")
    assert "–" not in page.text_content("#values tbody tr:last-child")


def test_what_other_versions_forecast_stands_in_the_plot_and_its_legend(app: Any, serve: Any, open_page: Any) -> None:
    page = open_page(serve(app))
    page.wait_for_selector("#values tbody tr")
    assert page.locator(".legend .shadow").all_text_contents() == ["Version 2"]
    plotted = page.evaluate("page.plot.data.at(-1).filter((value) => value !== null).length")
    assert plotted == 13


def many_series(model: ForecastModel) -> MemoryModelRegistry:
    """A champion of more series than the page lists at once."""
    registry, count = MemoryModelRegistry(), 150
    names = tuple(f"shop {number:03d}" for number in range(count))
    taken = replace(model.take(np.arange(count) % len(model.unique_ids)), unique_ids=names, metadata={"series": {}})
    registry.move_champion(registry.register(taken, plots={}, run_tags={}), expected=None)
    return registry


def test_the_page_is_used_by_keyboard_alone_and_finds_a_series_by_typing(
    make_app: Any, registry: MemoryModelRegistry, serve: Any, open_page: Any
) -> None:
    champion = registry.version_at("champion")
    assert champion is not None
    many = many_series(registry.load(champion))
    page = open_page(serve(make_app(registry=many, store=MemoryTableStore())))
    page.wait_for_selector("#values tbody tr")
    assert page.locator("#series option").count() == 100
    page.get_by_label("Find by name").focus()
    with page.expect_request(lambda request: "shop 140" in (request.post_data or "")):
        page.keyboard.type("SHOP 14")
    assert page.locator("#series option").all_text_contents() == [f"shop {number}" for number in range(140, 150)]
    page.get_by_label("Series").focus()
    with page.expect_request(lambda request: "shop 141" in (request.post_data or "")):
        page.keyboard.press("ArrowDown")
    expect_rows(page, 15)
    for _ in range(20):  # a date has several stops
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "submit":
            break
    assert page.evaluate("document.activeElement.id") == "submit"
    with page.expect_request(lambda request: request.url.endswith("/predict")):
        page.keyboard.press("Enter")


def test_an_end_before_the_start_is_said_and_the_page_goes_on(app: Any, serve: Any, open_page: Any) -> None:
    page = open_page(serve(app))
    page.wait_for_selector("#values tbody tr")
    page.get_by_label("To", exact=True).fill("2023-06-01")
    page.get_by_role("button", name="Forecast").click()
    page.wait_for_selector("#problem:not([hidden])")
    assert "lies before the start" in page.text_content("#problem")
    page.get_by_label("To", exact=True).fill("2023-07-02")
    page.get_by_role("button", name="Forecast").click()
    expect_rows(page, 2)
    assert page.locator("#problem").is_hidden()


def test_a_phone_needs_no_sideways_scrolling_and_dark_mode_is_dark(app: Any, serve: Any, open_page: Any) -> None:
    page = open_page(serve(app), viewport={"width": 360, "height": 740}, color_scheme="dark")
    page.wait_for_selector("#values tbody tr")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 22, 28)"


def test_a_key_is_asked_for_when_one_is_needed(make_app: Any, serve: Any, open_page: Any) -> None:
    from forecasting_platform.settings import Settings

    page = open_page(serve(make_app(Settings(api_keys="open-sesame"))))
    page.get_by_label("API key").fill("open-sesame")
    page.get_by_role("button", name="Forecast").click()
    page.wait_for_selector("#values tbody tr")
    assert page.locator("#problem").is_hidden()


def test_the_api_can_be_read_offline(app: Any, serve: Any, open_page: Any) -> None:
    page = open_page(f"{serve(app)}")
    page.goto(page.url + "docs")
    page.wait_for_selector("text=/predict")


def test_a_scenario_stands_beside_the_forecast_with_its_warning(app: Any, serve: Any, open_page: Any) -> None:
    page = open_page(serve(app))
    page.wait_for_selector("#values tbody tr")
    page.locator("summary", has_text="What if").click()
    page.get_by_label("Input").select_option("y")
    page.get_by_label("By", exact=True).fill("1000")
    page.get_by_role("button", name="Compare").click()
    page.wait_for_selector("#warnings li")
    assert "extrapolation" in page.text_content("#warnings")
    forecast, scenario = (
        float(page.text_content(f"#values tbody tr:first-child td:nth-child({column})").replace(",", ""))
        for column in (2, 6)
    )
    assert scenario > forecast + 100


def test_the_parts_of_a_forecast_add_up_to_it(app: Any, serve: Any, open_page: Any) -> None:
    page = open_page(serve(app))
    page.wait_for_selector("#parts tbody tr")
    headings = page.locator("#parts thead th").all_text_contents()
    assert len(headings) == page.locator("#parts tbody tr:first-child").locator("th, td").count()
    assert [name.lower() for name in headings[1:-1]] == list(PARTS)
    *parts, forecast = (float(text) for text in page.locator("#parts tbody tr:first-child td").all_text_contents())
    assert sum(parts) == pytest.approx(forecast, abs=0.05)


def test_why_a_forecast_moved_since_the_day_before_is_asked_for_when_it_is_opened(
    app: Any, serve: Any, open_page: Any
) -> None:
    page = open_page(serve(app))
    page.wait_for_selector("#parts tbody tr")
    assert page.locator("#moved tbody tr").count() == 0
    page.locator("#why summary").click()
    page.wait_for_selector("#moved tbody tr")
    assert page.locator("#moved tbody tr").count() == 15
    texts = page.locator("#moved tbody tr:first-child td").all_text_contents()
    *parts, moved = (float(text) for text in texts)
    assert sum(parts) == pytest.approx(moved, abs=0.05)


def test_checks_that_cannot_say_yet_stand_apart_from_those_that_fail(
    app: Any, ledger: Any, serve: Any, open_page: Any
) -> None:
    (failing,) = ledger.alerts()
    ledger.save_alerts(
        [
            replace(failing, alert_id=f"a:{n}@{n}", fingerprint=f"a:{n}", state="UNKNOWN", summary=f"no data {n}")
            for n in (1, 2)
        ]
    )
    page = open_page(serve(app))
    apart = page.locator("#alerts details.unknown")
    apart.wait_for()
    assert page.locator("#alerts > li").count() == 2
    assert "bias 3 GWh" in page.locator("#alerts > li").first.inner_text()
    assert apart.inner_text() == "2 checks cannot say yet"
    apart.locator("summary").first.click()
    assert "no data 1" in apart.inner_text()


def test_a_person_says_on_the_page_that_they_are_on_an_alert_and_mutes_it(
    app: Any, ledger: Any, serve: Any, open_page: Any
) -> None:
    page = open_page(serve(app))
    page.locator("#alerts summary").click()
    page.get_by_label("Your name").fill("Áine")
    page.get_by_role("button", name="I am on it").click()
    page.wait_for_selector("text=Áine is on it; no more reminders")
    page.get_by_role("button", name="Mute").click()
    page.wait_for_selector("#alerts [role=status]:has-text('reason')")
    page.get_by_label("Reason").fill("a known outage")
    page.get_by_role("button", name="Mute").click()
    page.wait_for_selector("text=muted for 24 hours")
    (alert,), (mute,) = ledger.alerts(), ledger.mutes()
    assert alert.acknowledged_by == "Áine"
    assert (mute.pattern, mute.reason, mute.muted_by) == (alert.fingerprint, "a known outage", "Áine")


def test_covariates_and_periods_that_are_not_normal_have_their_names(make_app: Any, serve: Any, open_page: Any) -> None:
    from playwright.sync_api import expect

    registry = MemoryModelRegistry()
    registry.move_champion(registry.register(sale_model(), plots={}, run_tags={}), expected=None)
    page = open_page(serve(make_app(registry=registry, store=MemoryTableStore())))
    expect_rows(page, 15)
    expect(page.locator("#parts thead")).to_contain_text("of it event: sale on the day")
    expect(page.locator("#champion")).to_contain_text("1 Jun 2023 to 3 Jun 2023: strike")
    expect(page.locator("#not-normal-legend")).to_be_visible()
    page.locator("summary", has_text="What if").click()
    page.locator("#column").select_option("event: sale on the day")
    page.locator("#operation").select_option("set")
    page.locator("#amount").fill("1")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#scenario-legend")).to_be_visible()
    page.locator("#series").select_option("b")
    expect(page.locator("#not-normal-legend")).to_be_hidden()
