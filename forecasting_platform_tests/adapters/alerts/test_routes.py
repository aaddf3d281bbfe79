import pytest

from forecasting_platform.adapters.alerts.alertmanager import AlertmanagerDelivery
from forecasting_platform.adapters.alerts.apprise_urls import AppriseDelivery
from forecasting_platform.adapters.alerts.routes import DELIVERIES, delivery_of, destinations
from forecasting_platform.forecasting.monitoring.alert_messages import Route
from forecasting_platform.settings import Settings

SLACK = "slack://T0KEN/secret/x"


def named(monkeypatch: pytest.MonkeyPatch, urls: str, alertmanager: str = "") -> list[Route]:
    monkeypatch.setenv("FORECASTING_ALERT_URLS", urls)
    monkeypatch.setenv("FORECASTING_ALERTMANAGER_URL", alertmanager)
    return [destination.route for destination in destinations(Settings())]


@pytest.mark.parametrize("separator", [",", " ", ", ", "\n"])
def test_each_url_is_a_route(monkeypatch: pytest.MonkeyPatch, separator: str) -> None:
    routes = named(monkeypatch, separator.join([SLACK, "mailto://a:b@example.org"]), "http://alertmanager:9093")
    assert [route.name.rpartition("-")[0] for route in routes] == ["slack", "mailto", "alertmanager"]


def test_nothing_configured_is_no_route(monkeypatch: pytest.MonkeyPatch) -> None:
    assert named(monkeypatch, " , ") == []


def test_a_name_is_the_same_each_time_and_no_part_of_the_url_but_its_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    (route,) = named(monkeypatch, SLACK)
    assert named(monkeypatch, f"mailto://x:y@z.org error={SLACK}")[1].name == route.name
    assert route.name.startswith("slack-")
    assert len(route.name) == len("slack-") + 8
    assert "secret" not in repr(destinations(Settings()))


def test_a_url_without_a_scheme_is_a_route_that_cannot_work_and_hides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    (route,) = named(monkeypatch, "xoxb-secret-token")
    assert route.name.startswith("unknown-")


def test_a_url_named_twice_is_one_route_that_takes_what_either_entry_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    (route,) = named(monkeypatch, f"error={SLACK} data-science={SLACK}")
    assert route.takes("a:b", "error", "platform")
    assert route.takes("a:b", "warning", "data-science")
    assert not route.takes("a:b", "warning", "platform")
    assert named(monkeypatch, f"error={SLACK} {SLACK}") == [Route(route.name)]


@pytest.mark.parametrize(
    ("names", "taken"), [("", 2), ("error=", 1), ("data-science=", 2), ("error+data-science=", 1), ("platform=", 0)]
)
def test_a_route_takes_what_is_of_its_severity_and_owner(
    monkeypatch: pytest.MonkeyPatch, names: str, taken: int
) -> None:
    (route,) = named(monkeypatch, names + SLACK)
    assert sum(route.takes("a:b", severity, "data-science") for severity in ("error", "warning")) == taken


def test_that_a_route_is_dead_is_told_to_all_others_whatever_they_asked_for() -> None:
    asked = Route("mail-1", (frozenset({"warning"}),))
    assert asked.takes("alert_route:slack-2", "error", "platform")
    assert not asked.takes("alert_route:mail-1", "error", "platform")


def test_a_scheme_with_a_delivery_of_its_own_has_it_and_all_others_have_apprise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORECASTING_ALERT_URLS", "pager-duty://token json://localhost")
    monkeypatch.setenv("FORECASTING_ALERTMANAGER_URL", "http://alertmanager:9093")
    monkeypatch.setitem(DELIVERIES, "pager-duty", lambda url: url)  # type: ignore[arg-type, return-value] # what it gets
    own, other, alertmanager = map(delivery_of, destinations(Settings()))
    assert own == "pager-duty://token"
    assert isinstance(other, AppriseDelivery)
    assert isinstance(alertmanager, AlertmanagerDelivery)
