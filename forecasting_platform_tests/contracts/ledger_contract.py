"""What every ledger promises; subclassed once for each adapter, which overrides the fixtures only."""

import datetime as dt
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import pytest

from forecasting_platform.errors import InvalidFrameError, PromotionOvertakenError, StoreUnavailableError
from forecasting_platform.forecasting.monitoring.alert_messages import Message, record_attempt
from forecasting_platform.forecasting.monitoring.feed_loads import FeedLoad, LoadedDocument
from forecasting_platform.forecasting.monitoring.incidents import Alert, Mute
from forecasting_platform.forecasting.monitoring.retraining import Retraining
from forecasting_platform.forecasting.promotion.decisions import BEFORE_THE_FIRST, PromotionDecision, first_break
from forecasting_platform.forecasting.promotion.tries import ComparedRecipes, Tries
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.due_days import DueDays
from forecasting_platform.forecasting.series.quality.refusals import Refusals, Refused
from forecasting_platform.ports.ledger import Ledger

NUMBERS = (0.1, 1e22, -0.0, 5, 2**60, 1e-300, [1.5, None, True], {"ä": float(2**53)})
NOON = datetime(2023, 7, 1, 12, 0, 0, 123456, tzinfo=UTC)

DECISION = PromotionDecision(
    verdict="promote",
    reason="better by 7 % – it's shown",
    challenger_version="2",
    champion_version="1",
    challenger_cutoff=date(2023, 6, 30),
    decided_at=NOON,
    decided_by="promotion_sensor",
    evidence={"rmse": {"champion": 5.8, "challenger": 5.4}, "cutoffs": ["2023-06-15"], "note": 'Größe "x"', "p": None},
)
ALERT = Alert(
    alert_id="feature_table:complete@7",
    fingerprint="feature_table:complete",
    state="FIRING",
    severity="error",
    summary="3 series are missing",
    first_seen=NOON,
    last_seen=NOON,
    last_event_id=7,
    link="http://127.0.0.1:3000/runs/1",
    runbook="docs/runbooks/x.md",
    owner="data-science",
    group="backfill",
    announced=NOON,
)
ROUTE = "slack-1a2b3c4d"
MESSAGE = Message(f"{ALERT.alert_id}/FIRING/{ROUTE}", ALERT.alert_id, "FIRING", ROUTE, NOON, NOON)
LATER = NOON + timedelta(minutes=2)
JUNE = DateRange(date(2023, 6, 1), date(2023, 6, 30))
REFUSALS = Refusals(
    30, 1, 29, 2, 0, JUNE, (Refused(3, 'Größe "x"', "not a number", "moffat"), Refused(4, "", "no day"))
)
GAS = FeedLoad(
    "gas",
    NOON,
    JUNE,
    DueDays(weekdays=(0, 4), holidays=("IE",), closed=(JUNE,), lag_days=2, at=dt.time(6), time_zone="Europe/Dublin"),
    problem="more was refused than 50 %",
    failing_since=NOON - timedelta(days=1),
    document=LoadedDocument(NOON, JUNE, "https://host/gas", 5, 4, 3, REFUSALS, date(2023, 6, 29)),
)


RETRAINING = Retraining("incident-a@1-2023-07-01", "a@1", NOON)


def promote(ledger: Ledger) -> None:
    with ledger.promotion():
        pass


CALLS: dict[str, Callable[[Ledger], object]] = {
    "prepare": lambda ledger: ledger.prepare(),
    "append_decision": lambda ledger: ledger.append_decision(DECISION),
    "promotion": promote,
    "decisions": lambda ledger: ledger.decisions(),
    "compared_recipes": lambda ledger: ledger.compared_recipes(NOON),
    "change_alerts": lambda ledger: ledger.change_alerts(lambda _: ([], [])),
    "save_alerts": lambda ledger: ledger.save_alerts([ALERT]),
    "alerts": lambda ledger: ledger.alerts(),
    "acknowledge": lambda ledger: ledger.acknowledge("a@1", "ann", NOON),
    "waiting_messages": lambda ledger: ledger.waiting_messages(),
    "claim_messages": lambda ledger: ledger.claim_messages([ROUTE], NOON, LATER),
    "record_attempts": lambda ledger: ledger.record_attempts([MESSAGE]),
    "mute": lambda ledger: ledger.mute(Mute("*", NOON, "known", "ann")),
    "mutes": lambda ledger: ledger.mutes(),
    "beat": lambda ledger: ledger.beat("alert_sensor", NOON),
    "heartbeats": lambda ledger: ledger.heartbeats(),
    "change_feed_loads": lambda ledger: ledger.change_feed_loads(lambda _: [GAS]),
    "feed_loads": lambda ledger: ledger.feed_loads(),
    "save_retraining": lambda ledger: ledger.save_retraining(RETRAINING),
    "retrainings": lambda ledger: ledger.retrainings(),
}


class LedgerContract:
    """The promises of `Ledger`."""

    @pytest.fixture
    def ledger(self) -> Ledger:
        """A prepared, empty ledger."""
        raise NotImplementedError

    def test_an_empty_ledger_lists_nothing(self, ledger: Ledger) -> None:
        assert ledger.decisions() == []
        assert ledger.alerts() == []

    def test_a_decision_is_read_back_with_its_number(self, ledger: Ledger) -> None:
        entry = ledger.append_decision(DECISION)
        assert ledger.decisions() == [entry]
        assert replace(entry, decision_id=None, previous_hash=None, entry_hash=None) == DECISION

    def test_a_first_champion_has_no_predecessor(self, ledger: Ledger) -> None:
        ledger.append_decision(replace(DECISION, champion_version=None, evidence={}))
        (read,) = ledger.decisions()
        assert read.champion_version is None
        assert read.evidence == {}

    def test_decisions_are_listed_newest_first_up_to_a_limit(self, ledger: Ledger) -> None:
        ids = [ledger.append_decision(replace(DECISION, reason=str(number))).decision_id for number in range(3)]
        assert ids == sorted(set(ids))
        assert [decision.reason for decision in ledger.decisions()] == ["2", "1", "0"]
        assert [decision.reason for decision in ledger.decisions(limit=2)] == ["2", "1"]
        last = ledger.decisions(limit=2)[-1].decision_id
        assert [decision.reason for decision in ledger.decisions(limit=2, before=last)] == ["0"]
        assert ledger.decisions(limit=0) == []

    def test_decisions_are_read_without_their_evidence_and_only_those_that_moved_to_a_version(
        self, ledger: Ledger
    ) -> None:
        made = [
            ("1", "promote"),
            ("2", "hold"),
            ("2", "refresh"),
            ("1", "rollback"),
            ("2", "reject"),
            ("1", "override"),
        ]
        for version, verdict in made:
            ledger.append_decision(replace(DECISION, challenger_version=version, verdict=verdict))
        moves = ledger.decisions(moving_to="1")
        assert [move.verdict for move in moves] == ["override", "rollback", "promote"]
        assert ledger.decisions(1, moving_to="2") == [ledger.decisions()[3]]
        assert ledger.decisions(moving_to="3") == []
        bare = ledger.decisions(2, with_evidence=False)
        assert bare == [replace(entry, evidence={}) for entry in ledger.decisions(2)]
        assert ledger.decisions(1)[0].evidence == DECISION.evidence != {}

    def test_the_recipes_that_decisions_compared_are_read_since_a_time_oldest_first(self, ledger: Ledger) -> None:
        def compare(hours: int, p_better: float, recipes: tuple[str, str], tries: Tries | None) -> None:
            challenger, champion = (
                {"version": version, "recipe_fingerprint": recipe}
                for version, recipe in zip("21", recipes, strict=True)
            )
            inputs = {"challenger": challenger, "champion": champion}
            # As an earlier policy recorded it, which counted no tries, or as this one does.
            inputs |= {"tries": tries.record()} if tries else {} if hours % 2 else {"tries": None}
            evidence = {"inputs": inputs, "statistics": {"p_better": p_better}}
            at = NOON + timedelta(hours=hours)
            ledger.append_decision(replace(DECISION, decided_at=at, evidence=evidence))

        tries = Tries(3, NOON - timedelta(days=2), promising_before=1, first_p=0.25)
        compare(-1, 0.5, ("early", "y"), None)
        compare(0, 1e-300, ("x", "y"), None)
        compare(1, 0.0, ("x", ""), None)
        compare(3, 0.125, ("z", "y"), replace(tries, first_p=None))
        compare(2, 1.0, ("z", "y"), tries)
        first = {"inputs": {"challenger": {"version": "1"}, "champion": None}, "statistics": {"challenger_loss": 1.0}}
        for evidence in ({}, {"manual": True}, first):
            ledger.append_decision(replace(DECISION, evidence=evidence))
        assert ledger.compared_recipes(NOON) == [
            ComparedRecipes(NOON, "x", "y", 1e-300, None),
            ComparedRecipes(NOON + timedelta(hours=1), "x", "version 1", 0.0, None),
            ComparedRecipes(NOON + timedelta(hours=3), "z", "y", 0.125, replace(tries, first_p=None)),
            ComparedRecipes(NOON + timedelta(hours=2), "z", "y", 1.0, tries),
        ]
        assert ledger.compared_recipes(LATER + timedelta(days=1)) == []

    def test_decisions_made_at_once_are_all_kept(self, ledger: Ledger) -> None:
        with ThreadPoolExecutor(4) as deciders:
            ids = list(deciders.map(lambda _: ledger.append_decision(DECISION).decision_id, range(12)))
        assert sorted(ids, reverse=True) == [decision.decision_id for decision in ledger.decisions()]
        assert len(set(ids)) == 12
        assert first_break(ledger.decisions()) is None

    def test_a_decision_whose_maker_knew_an_earlier_newest_one_is_not_written(self, ledger: Ledger) -> None:
        first = ledger.append_decision(DECISION, after=0)
        number = first.decision_id or 0
        with pytest.raises(PromotionOvertakenError, match=f"process made decision {number} meanwhile") as raised:
            ledger.append_decision(DECISION, after=0)
        assert (raised.value.known, raised.value.newest) == (0, number)
        assert ledger.decisions() == [first]
        assert ledger.append_decision(DECISION, after=number).previous_hash == first.entry_hash

    def test_each_decision_holds_the_hash_of_the_one_before_it(self, ledger: Ledger) -> None:
        entries = [ledger.append_decision(replace(DECISION, evidence={"x": value})) for value in NUMBERS]
        assert [entry.previous_hash for entry in entries] == [
            BEFORE_THE_FIRST,
            *(entry.entry_hash for entry in entries[:-1]),
        ]
        # As read back, too: no number is written in another way that would break the chain.
        assert first_break(ledger.decisions()) is None
        changed = [replace(entry, reason="changed") if entry == entries[2] else entry for entry in ledger.decisions()]
        assert (
            first_break(changed)
            == f"decision {entries[2].decision_id} is not as it was written: its hash is of another text"
        )

    def test_one_at_a_time_changes_the_champion(self, ledger: Ledger) -> None:
        inside, most = [], []

        def change(number: int) -> None:
            with ledger.promotion():
                inside.append(number)
                most.append(len(inside))
                time.sleep(0.02)
                inside.remove(number)

        with ThreadPoolExecutor(4) as promoters:
            list(promoters.map(change, range(8)))
        assert most == [1] * 8

    def test_a_promotion_that_fails_gives_the_right_back(self, ledger: Ledger) -> None:
        with pytest.raises(RuntimeError, match="half-way"), ledger.promotion():
            raise RuntimeError("half-way")
        with ledger.promotion():
            ledger.append_decision(DECISION)
        assert len(ledger.decisions()) == 1

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), date(2023, 7, 1)], ids=repr)
    def test_evidence_that_is_no_json_is_refused(self, ledger: Ledger, value: object) -> None:
        with pytest.raises(InvalidFrameError, match="the evidence is not JSON"):
            ledger.append_decision(replace(DECISION, evidence={"rmse": value}))
        assert ledger.decisions() == []

    def test_evidence_changed_afterwards_does_not_change_the_ledger(self, ledger: Ledger) -> None:
        evidence = {"rmse": 5.4}
        ledger.append_decision(replace(DECISION, evidence=evidence))
        evidence["rmse"] = 0.0
        assert ledger.decisions()[0].evidence == {"rmse": 5.4}

    def test_an_alert_is_read_back(self, ledger: Ledger) -> None:
        ledger.save_alerts([ALERT])
        assert ledger.alerts() == [ALERT]

    def test_saving_an_alert_again_updates_it(self, ledger: Ledger) -> None:
        later = replace(ALERT, last_seen=NOON + timedelta(hours=1), last_event_id=8, delivered=NOON, summary="4 series")
        ledger.save_alerts([ALERT])
        ledger.save_alerts([later])
        assert ledger.alerts() == [later]

    def test_alerts_are_listed_newest_first_and_open_ones_alone_on_request(self, ledger: Ledger) -> None:
        resolved = replace(ALERT, state="RESOLVED", resolved=NOON + timedelta(hours=1))
        newer = replace(ALERT, alert_id="feature_table:complete@9", first_seen=NOON + timedelta(hours=2))
        ledger.save_alerts([newer, resolved])
        assert ledger.alerts() == [newer, resolved]
        assert ledger.alerts(open_only=True) == [newer]
        assert ledger.alerts(limit=1) == [newer]
        assert ledger.alerts(open_only=True, limit=0) == []

    def test_alerts_are_read_page_by_page(self, ledger: Ledger) -> None:
        at_once = [replace(ALERT, alert_id=f"f{n}@1", fingerprint=f"f{n}", first_seen=NOON) for n in range(4)]
        older = replace(ALERT, alert_id="z@1", fingerprint="z", first_seen=NOON - timedelta(hours=1))
        ledger.save_alerts([older, *at_once])
        expected = [*(alert.alert_id for alert in reversed(at_once)), "z@1"]
        read, last = list[str](), None
        while page := ledger.alerts(limit=2, before=last):
            read += [alert.alert_id for alert in page]
            last = read[-1]
        assert read == expected
        assert ledger.alerts(before="nobody@1") == []

    def test_alerts_of_a_series_are_found_by_its_whole_name(self, ledger: Ledger) -> None:
        evidence = (
            '{"begin": "2023-07-01", "found": {"c:d": [["a", "2023-07-01", "far off"]]}, "sources": [], "seen": {}}'
        )
        fingerprints = ["series:a", "series:a:2023-07-01", "series:a:b", "series:ab", "series:100 %", "a"]
        of = [replace(ALERT, alert_id=f"{name}@1", fingerprint=name) for name in fingerprints]
        many = replace(ALERT, alert_id="many_series:1@1", fingerprint="many_series:1", evidence=evidence)
        ledger.save_alerts([*of, many])
        found = {alert.fingerprint for alert in ledger.alerts(unique_id="a")}
        assert found == {"series:a", "series:a:2023-07-01", "many_series:1"}
        assert [alert.fingerprint for alert in ledger.alerts(unique_id="100 %")] == ["series:100 %"]

    def test_a_fingerprint_has_one_open_incident_at_most(self, ledger: Ledger) -> None:
        other = replace(ALERT, alert_id="other@1", fingerprint="other")
        ledger.save_alerts([ALERT])
        with pytest.raises(InvalidFrameError, match=r"rows for alerts were refused"):
            ledger.save_alerts([other, replace(ALERT, alert_id="feature_table:complete@9")])
        assert ledger.alerts() == [ALERT]

    def test_the_next_incident_may_open_as_the_last_one_resolves(self, ledger: Ledger) -> None:
        ledger.save_alerts([ALERT])
        newer = replace(ALERT, alert_id="feature_table:complete@9", first_seen=NOON + timedelta(hours=2))
        ledger.save_alerts([newer, replace(ALERT, state="RESOLVED", resolved=NOON)])
        assert ledger.alerts(open_only=True) == [newer]

    @pytest.mark.parametrize("state", ["PENDING", "MUTED", "UNKNOWN"])
    def test_whatever_is_not_resolved_is_open(
        self, ledger: Ledger, state: Literal["PENDING", "MUTED", "UNKNOWN"]
    ) -> None:
        ledger.save_alerts([replace(ALERT, state=state)])
        assert [alert.state for alert in ledger.alerts(open_only=True)] == [state]

    def test_an_incident_and_its_messages_are_saved_together_or_not_at_all(self, ledger: Ledger) -> None:
        ledger.save_alerts([ALERT], [MESSAGE])
        assert ledger.waiting_messages() == [MESSAGE]
        second = replace(ALERT, alert_id="feature_table:complete@9")
        with pytest.raises(InvalidFrameError):
            ledger.save_alerts([second], [replace(MESSAGE, key="other", alert_id=second.alert_id)])
        assert ledger.waiting_messages() == [MESSAGE]

    def test_a_message_is_queued_once(self, ledger: Ledger) -> None:
        ledger.save_alerts([ALERT], [MESSAGE])
        ledger.record_attempts([replace(MESSAGE, attempts=1, delivered_at=NOON)])
        ledger.save_alerts([ALERT], [MESSAGE])
        assert ledger.waiting_messages() == []

    def test_an_incident_is_delivered_once_none_of_its_messages_waits(self, ledger: Ledger) -> None:
        other = replace(MESSAGE, key=f"{ALERT.alert_id}/FIRING/alertmanager", route="alertmanager")
        ledger.save_alerts([ALERT], [MESSAGE, other])
        ledger.record_attempts([replace(MESSAGE, attempts=1, delivered_at=NOON)])
        ledger.record_attempts([replace(other, attempts=1, last_error="refused")])
        assert ledger.alerts()[0].delivered is None
        assert [(found.attempts, found.last_error) for found in ledger.waiting_messages()] == [(1, "refused")]
        ledger.record_attempts([replace(other, attempts=2, delivered_at=NOON)])
        assert ledger.alerts()[0].delivered == NOON

    def test_an_incident_whose_last_message_is_given_up_waits_no_more(self, ledger: Ledger) -> None:
        ledger.save_alerts([ALERT], [MESSAGE])
        ledger.record_attempts([replace(MESSAGE, given_up_at=LATER, last_error="the route is gone")])
        assert ledger.waiting_messages() == []
        assert ledger.alerts()[0].delivered == LATER

    def test_what_ended_stays_as_it_ended(self, ledger: Ledger) -> None:
        ledger.save_alerts([ALERT], [MESSAGE])
        ledger.record_attempts([record_attempt(MESSAGE, NOON, None)])
        ledger.record_attempts([record_attempt(MESSAGE, LATER, "it did not answer in time")])
        assert ledger.waiting_messages() == []

    def test_waiting_messages_are_listed_the_longest_due_first(self, ledger: Ledger) -> None:
        minutes = {"c": 3, "a": 1, "d": 1, "b": 2}
        messages = [replace(MESSAGE, key=key, due_at=NOON + timedelta(minutes=m)) for key, m in minutes.items()]
        ledger.save_alerts([ALERT], messages)
        assert [message.key for message in ledger.waiting_messages()] == ["a", "d", "b", "c"]

    def test_a_message_is_given_to_one_sender_until_its_claim_ends(self, ledger: Ledger) -> None:
        ledger.save_alerts([ALERT], [MESSAGE])
        with ThreadPoolExecutor(4) as senders:
            claims = list(senders.map(lambda _: ledger.claim_messages([ROUTE], NOON, LATER), range(8)))
        assert [message for claimed in claims for message in claimed] == [MESSAGE]
        assert ledger.claim_messages([ROUTE], LATER - timedelta(seconds=1), LATER) == []
        assert [claimed.key for claimed in ledger.claim_messages([ROUTE], LATER, LATER)] == [MESSAGE.key]

    def test_only_messages_that_are_due_to_the_routes_asked_for_are_claimed(self, ledger: Ledger) -> None:
        later = replace(MESSAGE, key="later", route="later", due_at=LATER)
        ended = replace(MESSAGE, key="ended", route="ended", given_up_at=NOON)
        other = replace(MESSAGE, key="other", route="other")
        ledger.save_alerts([ALERT], [MESSAGE, later, ended, other])
        assert ledger.claim_messages([ROUTE, "later", "ended"], NOON, LATER) == [MESSAGE]
        assert ledger.claim_messages([], NOON, LATER) == []

    def test_a_message_waits_for_the_earlier_ones_about_its_incident_to_its_route(self, ledger: Ledger) -> None:
        first = replace(MESSAGE, due_at=LATER, attempts=1, last_error="refused")
        # Both may be queued by one look, of what began and ended while nobody looked.
        end = replace(MESSAGE, key="end", kind="RESOLVED")
        elsewhere = replace(end, key="elsewhere", route="mail")
        ledger.save_alerts([ALERT], [first, end, elsewhere])
        assert ledger.claim_messages([ROUTE, "mail"], NOON, LATER) == [elsewhere]
        assert ledger.claim_messages([ROUTE], LATER, LATER) == [first]
        ledger.record_attempts([record_attempt(first, LATER, None)])
        assert ledger.claim_messages([ROUTE], LATER, LATER) == [end]

    def test_saving_an_incident_keeps_who_acknowledged_it(self, ledger: Ledger) -> None:
        ledger.save_alerts([ALERT])
        assert ledger.acknowledge(ALERT.alert_id, "ann", NOON)
        ledger.save_alerts([replace(ALERT, summary="4 series are missing")])
        (read,) = ledger.alerts()
        assert (read.acknowledged_by, read.acknowledged, read.summary) == ("ann", NOON, "4 series are missing")

    def test_what_is_over_or_not_there_cannot_be_acknowledged(self, ledger: Ledger) -> None:
        ledger.save_alerts([replace(ALERT, state="RESOLVED", resolved=NOON)])
        assert not ledger.acknowledge(ALERT.alert_id, "ann", NOON)
        assert not ledger.acknowledge("nothing@1", "ann", NOON)

    def test_changes_of_incidents_see_what_the_others_made_of_them(self, ledger: Ledger) -> None:
        ledger.save_alerts([replace(ALERT, last_event_id=0)])

        def one_more(alerts: list[Alert]) -> tuple[list[Alert], list[Message]]:
            (found,) = alerts
            time.sleep(0.001)
            return [replace(found, last_event_id=found.last_event_id + 1)], []

        with ThreadPoolExecutor(4) as callers:
            saved = list(callers.map(lambda _: ledger.change_alerts(one_more), range(20)))
        assert saved == [1] * 20
        assert ledger.alerts()[0].last_event_id == 20

    def test_a_delivery_that_is_recorded_during_a_change_is_not_forgotten(self, ledger: Ledger) -> None:
        ledger.save_alerts([ALERT], [MESSAGE])
        with ThreadPoolExecutor(1) as beside:
            recorded: list[Future[None]] = []

            def change(alerts: list[Alert]) -> tuple[list[Alert], list[Message]]:
                accepted = replace(MESSAGE, attempts=1, delivered_at=NOON)
                recorded.append(beside.submit(ledger.record_attempts, [accepted]))
                wait(recorded, timeout=0.3)
                return [replace(found, summary="4 series are missing") for found in alerts], []

            ledger.change_alerts(change)
            recorded[0].result()
        (read,) = ledger.alerts()
        assert (read.summary, read.delivered) == ("4 series are missing", NOON)

    def test_an_incident_that_is_over_is_delivered_by_the_message_that_says_so(self, ledger: Ledger) -> None:
        ledger.save_alerts([ALERT], [MESSAGE])
        ledger.save_alerts([replace(ALERT, state="RESOLVED", resolved=NOON)])
        ledger.record_attempts([record_attempt(MESSAGE, NOON, None)])
        assert ledger.alerts()[0].delivered is None
        over = replace(MESSAGE, key=f"{ALERT.alert_id}/RESOLVED/apprise", kind="RESOLVED")
        ledger.save_alerts([], [over])
        ledger.record_attempts([record_attempt(over, NOON, None)])
        assert ledger.alerts()[0].delivered == NOON

    def test_a_change_that_fails_changes_nothing(self, ledger: Ledger) -> None:
        ledger.save_alerts([ALERT])
        second = replace(ALERT, alert_id="feature_table:complete@9")
        with pytest.raises(InvalidFrameError):
            ledger.change_alerts(lambda _: ([second], [replace(MESSAGE, key="other", alert_id=second.alert_id)]))
        with pytest.raises(ZeroDivisionError):
            ledger.change_alerts(lambda _: ([ALERT] * (1 // 0), []))
        assert ledger.alerts() == [ALERT]
        assert ledger.waiting_messages() == []

    def test_a_mute_of_the_same_pattern_is_replaced(self, ledger: Ledger) -> None:
        mute = Mute("forecast_errors:*", NOON, "known", "ann")
        ledger.mute(mute)
        ledger.mute(replace(mute, until=NOON + timedelta(days=1)))
        assert ledger.mutes() == [replace(mute, until=NOON + timedelta(days=1))]

    def test_mutes_are_listed_by_pattern(self, ledger: Ledger) -> None:
        for pattern in ("b:*", "*", "a:*"):
            ledger.mute(Mute(pattern, NOON, "known", "ann"))
        assert [mute.pattern for mute in ledger.mutes()] == ["*", "a:*", "b:*"]

    def test_a_watcher_is_known_by_its_newest_beat(self, ledger: Ledger) -> None:
        assert ledger.heartbeats() == {}
        for at in (NOON, NOON + timedelta(minutes=1)):
            ledger.beat("alert_sensor", at)
        assert ledger.heartbeats() == {"alert_sensor": NOON + timedelta(minutes=1)}

    def test_a_retraining_is_kept_by_its_key_until_it_ended_and_after(self, ledger: Ledger) -> None:
        assert ledger.retrainings() == []
        earlier = Retraining("incident-b@1-2023-06-01", "b@1", NOON - timedelta(days=30), NOON, "7")
        ended = replace(RETRAINING, ended_at=LATER, version="8")
        for each in (RETRAINING, earlier, ended):
            ledger.save_retraining(each)
        assert ledger.retrainings() == [earlier, ended]

    def test_the_record_of_each_feed_is_read_back_by_name(self, ledger: Ledger) -> None:
        assert ledger.feed_loads() == []
        never = FeedLoad("exogenous", NOON, JUNE, problem="503", failing_since=NOON)
        bare = LoadedDocument(NOON, JUNE, "file:///x", 0, 0, 0, Refusals(), None)
        without = replace(GAS, feed="power", document=bare)
        ledger.change_feed_loads(lambda known: [*known, GAS, without, never])
        assert ledger.feed_loads() == [never, GAS, without]

    def test_the_records_of_feeds_are_replaced_as_a_whole(self, ledger: Ledger) -> None:
        ledger.change_feed_loads(lambda _: [GAS])
        ledger.change_feed_loads(lambda known: [replace(each, feed="power") for each in known])
        assert [each.feed for each in ledger.feed_loads()] == ["power"]

    def test_a_change_of_the_records_of_feeds_that_fails_leaves_them(self, ledger: Ledger) -> None:
        ledger.change_feed_loads(lambda _: [GAS])

        def fail(_: list[FeedLoad]) -> list[FeedLoad]:
            raise ValueError

        with pytest.raises(ValueError):  # noqa: PT011 # raised here
            ledger.change_feed_loads(fail)
        assert ledger.feed_loads() == [GAS]

    def test_of_loads_that_end_at_once_each_is_recorded(self, ledger: Ledger) -> None:
        def add(name: str) -> None:
            ledger.change_feed_loads(lambda known: [*known, replace(GAS, feed=name)])

        names = ["a", "b", "c", "d"]
        with ThreadPoolExecutor(len(names)) as loads:
            list(loads.map(add, names))
        assert [each.feed for each in ledger.feed_loads()] == names

    def test_saving_no_alert_changes_nothing(self, ledger: Ledger) -> None:
        ledger.save_alerts([])
        assert ledger.alerts() == []

    def test_preparing_again_keeps_what_is_there(self, ledger: Ledger) -> None:
        ledger.append_decision(DECISION)
        with ThreadPoolExecutor(4) as callers:
            list(callers.map(lambda _: ledger.prepare(), range(4)))
        assert len(ledger.decisions()) == 1


class RemoteLedgerContract(LedgerContract):
    """The promises of a ledger that may be out of reach."""

    @pytest.fixture
    def unreachable_ledger(self) -> Ledger:
        """A ledger whose server is not there."""
        raise NotImplementedError

    @pytest.mark.parametrize("name", CALLS)
    def test_a_ledger_out_of_reach_says_so(self, unreachable_ledger: Ledger, name: str) -> None:
        with pytest.raises(StoreUnavailableError, match=r"is unavailable: .* then retry"):
            CALLS[name](unreachable_ledger)

    def test_every_call_is_known_to_fail_where_the_ledger_is_out_of_reach(self) -> None:
        assert CALLS.keys() == {name for name in vars(Ledger) if not name.startswith("_")} - {"close"}
