"""Messages over many looks for alerts, to services that are healthy, dead, broken or hanging, counted exactly."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from forecasting_platform import wiring
from forecasting_platform.adapters.alerts.routes import Destination, destinations
from forecasting_platform.adapters.alerts.url_channels import (
    MAX_HEARTBEAT_SECONDS,
    MAX_ROUTES_AT_ONCE,
    MAX_SECONDS,
    UrlChannels,
)
from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.forecasting.monitoring.alert_messages import MAX_AGE, MAX_WAIT, Message
from forecasting_platform.forecasting.monitoring.incidents import Evaluation
from forecasting_platform.services.alerts import CLAIM, Alerts, Raised
from forecasting_platform.services.watchers import beat
from forecasting_platform.settings import Settings
from forecasting_platform_tests.adapters.hook import Hook
from forecasting_platform_tests.support.dagster_internals import DEFAULT_SENSOR_GRPC_TIMEOUT

NOON = datetime(2023, 7, 1, 12, tzinfo=UTC)
FIRING, RESOLVED = "[FIRING] a:bias", "[RESOLVED] a:bias"


def evaluation(event_id: int, result: Any = "failed", **changes: Any) -> Evaluation:
    values = {"fingerprint": "a:bias", "severity": "error", "evaluated_at": NOON, "summary": "bias", "owner": "data"}
    return Evaluation(event_id=event_id, result=result, **values | changes)


@dataclass
class Watch:
    """The sensor's looks, each ten seconds of a clock of its own."""

    urls: str
    now: datetime = NOON
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    changes: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        values = {"alert_urls": self.urls, "alert_pending_seconds": 0, "alert_repeat_hours": 24 * 365}
        return Settings(**values | self.changes)

    @property
    def alerts(self) -> Alerts:
        channels = UrlChannels(destinations(self.settings), self.settings.heartbeat_url, **self.options)
        return replace(wiring.alerts_of(self.ledger, self.settings), channels=channels, now=lambda: self.now)

    def look(self, *evaluations: Evaluation, times: int = 1, seconds: float = 10.0) -> Raised:
        for number in range(times):
            self.now += timedelta(seconds=seconds)
            raised = self.alerts.raise_alerts(evaluations if number == 0 else ())
        return raised

    def open_incidents(self) -> dict[str, str]:
        return {alert.fingerprint: alert.state for alert in self.ledger.alerts(open_only=True)}

    def waiting(self) -> list[Message]:
        return self.ledger.waiting_messages()

    @property
    def first_route(self) -> str:
        return self.alerts.channels.routes[0].fingerprint


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as found:
        yield found


@pytest.fixture
def broken() -> Iterator[Hook]:
    with Hook(500) as found:
        yield found


@pytest.mark.slow
def test_beside_dead_broken_and_hanging_routes_a_healthy_one_gets_each_message_once(
    hook: Hook, broken: Hook, silent_port: int
) -> None:
    with Hook() as hanging:
        hanging.answers.clear()
        bad = [f"json://127.0.0.1:{silent_port}", broken.alert_url, f"{hanging.alert_url}?rto=0.5", "nonsense"]
        watch = Watch(" ".join([*bad, hook.alert_url]))
        watch.look(evaluation(1))
        watch.look(times=60)
        watch.look(evaluation(2, "passed"))
        watch.look(times=120)
        about_the_check = [title for title in hook.titles if "a:bias" in title]
        assert about_the_check == [FIRING, RESOLVED]
        about_routes = "".join(message["message"] for message in hook.messages if "a:bias" not in message["title"])
        dead = [route.fingerprint for route in watch.alerts.channels.routes][:4]
        assert [about_routes.count(f"incident {name}@") for name in dead] == [1, 1, 1, 1]
        assert watch.open_incidents() == dict.fromkeys(dead, "FIRING")
        # 1,820 seconds: at once, then after 10, 20, 40, 80, 160, 320, 640 and, within these looks, no more.
        check = [message for message in watch.waiting() if message.alert_id == "a:bias@1" and message.kind == "FIRING"]
        assert {message.attempts for message in check} == {8}
        assert broken.titles.count(FIRING) == 8
        assert RESOLVED not in broken.titles, "it waits for the message before it"


def test_a_route_that_works_again_gets_everything_once_in_order_and_its_incident_ends(hook: Hook, broken: Hook) -> None:
    watch = Watch(f"{broken.alert_url} {hook.alert_url}")
    watch.look(evaluation(1), times=3)
    watch.look(evaluation(2, "passed"), times=3)
    assert watch.open_incidents() == {watch.first_route: "FIRING"}
    broken.asked.clear()
    broken.status = 200
    watch.look(times=200)
    assert broken.titles == [FIRING, RESOLVED]
    assert watch.open_incidents() == {}
    assert hook.titles == [FIRING, f"[FIRING] {watch.first_route}", RESOLVED, f"[RESOLVED] {watch.first_route}"]
    assert watch.waiting() == []
    assert all(alert.delivered for alert in watch.ledger.alerts())


def test_a_route_that_fails_once_calls_nobody(hook: Hook, broken: Hook) -> None:
    watch = Watch(f"{broken.alert_url} {hook.alert_url}", changes={"alert_pending_seconds": 30})
    watch.look(evaluation(1), evaluation(2))
    broken.status = 200
    watch.look(times=9)
    assert hook.titles == [FIRING]
    assert broken.titles == [FIRING, FIRING]


def test_a_message_that_a_route_refuses_for_good_holds_up_no_other(hook: Hook) -> None:
    watch = Watch(hook.alert_url)
    hook.status = 400
    watch.look(evaluation(1))
    hook.status = 200
    watch.look(evaluation(2, fingerprint="b:rmse"))
    assert "[FIRING] b:rmse" in hook.titles


def test_the_only_route_being_dead_is_an_incident_a_log_line_and_a_missing_heartbeat(
    hook: Hook, broken: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    watch = Watch(broken.alert_url, changes={"heartbeat_url": f"{hook.url}/beat"})
    beat(watch.alerts, "alert_sensor")
    assert hook.paths == ["/beat"]
    with caplog.at_level(logging.WARNING):
        watch.look(evaluation(1), times=60)
    assert watch.open_incidents() == {"a:bias": "FIRING", watch.first_route: "FIRING"}
    assert set(broken.titles) == {FIRING}, "a route is not told of itself"
    assert len(watch.waiting()) == 1
    assert "was not accepted by number 1 of 1 in FORECASTING_ALERT_URLS (json)" in caplog.text
    assert "secret" not in caplog.text
    beat(watch.alerts, "alert_sensor")
    assert hook.paths == ["/beat"], "whoever waits for it pages"
    assert set(watch.ledger.heartbeats()) == {"alert_sensor"}
    broken.status = 200
    watch.look(times=100)
    beat(watch.alerts, "alert_sensor")
    assert hook.paths == ["/beat", "/beat"]


def test_a_heartbeat_service_that_hangs_or_is_gone_is_not_waited_for(hook: Hook, silent_port: int) -> None:
    hook.answers.clear()
    for url in (f"{hook.url}/beat", f"http://127.0.0.1:{silent_port}"):
        watch = Watch("", changes={"heartbeat_url": url}, options={"max_heartbeat_seconds": 0.1})
        beat(watch.alerts, "alert_sensor")
        assert set(watch.ledger.heartbeats()) == {"alert_sensor"}


def test_no_url_is_stored_and_the_incident_names_its_place_in_the_settings(broken: Hook) -> None:
    watch = Watch(f"error+data={broken.alert_url}")
    watch.look(evaluation(1), times=3)
    incident = next(alert for alert in watch.ledger.alerts() if alert.fingerprint == watch.first_route)
    assert incident.summary.startswith(
        "number 1 of 1 in FORECASTING_ALERT_URLS (json) does not work: it refused the message or did not answer; "
        "1 messages wait for it"
    )
    stored = repr(watch.ledger.__dict__)
    assert "secret" not in stored
    assert "127.0.0.1" not in stored


def test_what_waits_for_a_url_that_was_replaced_goes_to_the_new_one_and_nowhere_twice(hook: Hook, broken: Hook) -> None:
    watch = Watch(f"{broken.alert_url} {hook.alert_url}")
    watch.look(evaluation(1), times=3)
    old = watch.first_route
    with Hook() as new:
        watch.urls = f"{new.alert_url} {hook.alert_url}"
        watch.look(times=3)
        assert new.titles == [FIRING, f"[RESOLVED] {old}"]
        assert hook.titles == [FIRING, f"[FIRING] {old}", f"[RESOLVED] {old}"]
    assert watch.open_incidents() == {"a:bias": "FIRING"}
    ended = [message for message in watch.ledger._messages.values() if message.given_up_at]
    assert [(message.kind, message.last_error) for message in ended] == [
        ("FIRING", "the route is not in the settings any more")
    ]


def test_without_any_route_left_nothing_waits(broken: Hook) -> None:
    watch = Watch(broken.alert_url)
    watch.look(evaluation(1), times=3)
    watch.urls = ""
    watch.look()
    assert watch.waiting() == []
    assert watch.open_incidents() == {"a:bias": "FIRING"}


def test_a_message_is_given_up_after_a_week_of_attempts(broken: Hook) -> None:
    watch = Watch(broken.alert_url)
    watch.look(evaluation(1))
    watch.look(times=int(MAX_AGE / MAX_WAIT) + 1, seconds=MAX_WAIT.total_seconds())
    (message,) = watch.ledger._messages.values()
    assert message.given_up_at is not None
    assert message.last_error == "it refused the message or did not answer"


def test_reminders_do_not_pile_up_for_a_route_that_has_not_even_heard_of_the_incident(hook: Hook, broken: Hook) -> None:
    watch = Watch(f"{broken.alert_url} {hook.alert_url}", changes={"alert_repeat_hours": 24})
    watch.look(evaluation(1))
    watch.look(times=3 * 24, seconds=3600)
    assert sum("[REMINDER] a:bias" in title for title in hook.titles) in {2, 3}
    assert [message.kind for message in watch.waiting()] == ["FIRING"]


def test_an_alertmanager_of_the_settings_is_a_route_beside_the_others(hook: Hook) -> None:
    with Hook() as manager:
        watch = Watch(hook.alert_url, changes={"alertmanager_url": manager.url})
        watch.look(evaluation(1))
        watch.look(evaluation(2, "passed"), times=3)
        assert hook.titles == [FIRING, RESOLVED]
        assert manager.paths == ["/api/v2/alerts"] * 2
        assert [posted["labels"]["alertname"] for (posted,) in manager.messages] == ["a:bias"] * 2


def test_a_dead_alertmanager_is_told_to_the_others(hook: Hook, silent_port: int) -> None:
    watch = Watch(hook.alert_url, changes={"alertmanager_url": f"http://127.0.0.1:{silent_port}"})
    watch.look(evaluation(1), times=4)
    assert [title.partition("-")[0] for title in hook.titles] == [FIRING, "[FIRING] alert_route:alertmanager"]
    assert "FORECASTING_ALERTMANAGER_URL does not work: the Alertmanager did not answer" in hook.messages[1]["message"]


def test_two_senders_send_a_message_once(hook: Hook) -> None:
    watch = Watch(hook.alert_url)
    hook.answers.clear()
    sensor = threading.Thread(target=watch.look, args=(evaluation(1),))
    sensor.start()
    while not hook.messages:
        time.sleep(0.01)
    assert watch.alerts.send_waiting() == []
    hook.answers.set()
    sensor.join()
    assert hook.titles == [FIRING]


def test_a_sender_that_died_is_followed_by_the_next_after_its_claim(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(hook.alert_url)
    monkeypatch.setattr(watch.ledger, "record_attempts", lambda _messages: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        watch.look(evaluation(1))
    monkeypatch.undo()
    watch.look(times=2)
    assert hook.titles == [FIRING]
    watch.look(seconds=CLAIM.total_seconds())
    assert hook.titles == [FIRING, FIRING]


@dataclass
class Slow:
    """Sends nothing until it is told to; to which routes it was asked to."""

    answers: threading.Event = field(default_factory=threading.Event)
    called: list[str] = field(default_factory=list)

    def of(self, destination: Destination) -> "Slow":
        self.called.append(destination.route.name)
        return self

    def send(self, kind: str, alerts: Sequence[Any]) -> None:
        self.answers.wait()


def test_more_hanging_routes_than_are_tried_at_once_are_given_up_in_time_and_the_rest_goes_first_next_time() -> None:
    slow, urls = Slow(), " ".join(f"json://127.0.0.1:9/{number}" for number in range(MAX_ROUTES_AT_ONCE + 4))
    watch = Watch(urls, options={"deliver": slow.of, "max_seconds": 1.0})
    watch.look(evaluation(1))
    tried = list(slow.called)
    assert 0 < len(tried) <= MAX_ROUTES_AT_ONCE
    waiting = [message for message in watch.waiting() if "bias" in message.key]
    untried = [message.route for message in waiting if message.attempts == 0]
    assert {*tried, *untried} == {message.route for message in waiting}
    assert [message.route for message in waiting[: len(untried)]] == untried
    watch.look()
    assert not set(slow.called[len(tried) :]) & set(tried)
    slow.answers.set()


def test_a_thread_that_still_hangs_is_joined_by_no_second_one() -> None:
    slow = Slow()
    watch = Watch("json://127.0.0.1:9/x", options={"deliver": slow.of, "max_seconds": 0.1})
    watch.look(evaluation(1), times=20)
    assert len(slow.called) == 1
    assert watch.waiting()[0].last_error == "an earlier attempt has still not ended"
    slow.answers.set()


def test_what_a_service_client_raises_is_that_routes_problem_and_its_text_is_not_kept(hook: Hook) -> None:
    watch = Watch(hook.alert_url, options={"deliver": lambda _: (_ for _ in ()).throw(ValueError("secret"))})
    watch.look(evaluation(1))
    assert watch.waiting()[0].last_error == "sending failed with ValueError"


def test_sending_and_heartbeat_together_end_well_before_dagster_gives_up_the_sensor() -> None:
    assert MAX_SECONDS + MAX_HEARTBEAT_SECONDS <= 0.6 * DEFAULT_SENSOR_GRPC_TIMEOUT
    assert CLAIM.total_seconds() >= 2 * DEFAULT_SENSOR_GRPC_TIMEOUT, "a claim outlasts its sender"
