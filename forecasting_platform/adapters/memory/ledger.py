"""A ledger in memory, for fast tests."""

import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from forecasting_platform.adapters.ledger_entries import check_alerts, check_evidence, refuse_overtaken
from forecasting_platform.forecasting.monitoring.alert_messages import Message, due_messages
from forecasting_platform.forecasting.monitoring.causes import is_about
from forecasting_platform.forecasting.monitoring.feed_loads import FeedLoad
from forecasting_platform.forecasting.monitoring.incidents import Alert, Mute
from forecasting_platform.forecasting.monitoring.retraining import Retraining
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision, chain_entry
from forecasting_platform.forecasting.promotion.tries import ComparedRecipes, recipes_compared_by
from forecasting_platform.ports.ledger import AlertsChange, FeedLoadsChange


class MemoryLedger:
    """The `Ledger` port on lists in this process; safe for threads."""

    def __init__(self) -> None:
        self._decisions: list[PromotionDecision] = []
        self._alerts: dict[str, Alert] = {}
        self._messages: dict[str, Message] = {}
        self._mutes: dict[str, Mute] = {}
        self._heartbeats: dict[str, datetime] = {}
        self._feed_loads: dict[str, FeedLoad] = {}
        self._retrainings: dict[str, Retraining] = {}
        self._lock = threading.Lock()
        self._promotion_lock = threading.Lock()

    def prepare(self) -> None:
        """Nothing to create."""

    def append_decision(self, decision: PromotionDecision, *, after: int | None = None) -> PromotionDecision:
        """See `Ledger`."""
        evidence = check_evidence(decision.evidence)
        with self._lock:
            refuse_overtaken(after, len(self._decisions))
            newest = self._decisions[-1].entry_hash if self._decisions else None
            entry = chain_entry(replace(decision, evidence=evidence), len(self._decisions) + 1, newest)
            self._decisions.append(entry)
        return entry

    @contextmanager
    def promotion(self) -> Iterator[None]:
        """See `Ledger`."""
        with self._promotion_lock:
            yield

    def decisions(
        self,
        limit: int | None = None,
        *,
        before: int | None = None,
        moving_to: str | None = None,
        with_evidence: bool = True,
    ) -> list[PromotionDecision]:
        """See `Ledger`."""
        with self._lock:
            newest_first = [entry for entry in self._decisions if before is None or (entry.decision_id or 0) < before]
        newest_first.reverse()
        found = [entry for entry in newest_first if moving_to is None or entry.moves_champion_to(moving_to)][:limit]
        return found if with_evidence else [replace(entry, evidence={}) for entry in found]

    def compared_recipes(self, since: datetime) -> list[ComparedRecipes]:
        """See `Ledger`."""
        with self._lock:
            found = [recipes_compared_by(entry) for entry in self._decisions if entry.decided_at >= since]
        return [compared for compared in found if compared is not None]

    def change_alerts(self, change: AlertsChange) -> int:
        """See `Ledger`."""
        with self._lock:
            alerts, messages = change(_newest_first(self._alerts.values()))
            self._save_alerts(alerts, messages)
        return len(alerts)

    def save_alerts(self, alerts: Sequence[Alert], messages: Sequence[Message] = ()) -> None:
        """See `Ledger`."""
        with self._lock:
            self._save_alerts(alerts, messages)

    def _save_alerts(self, alerts: Sequence[Alert], messages: Sequence[Message]) -> None:
        saved = dict(self._alerts)
        for alert in alerts:
            kept = self._alerts.get(alert.alert_id, alert)
            saved[alert.alert_id] = replace(alert, acknowledged=kept.acknowledged, acknowledged_by=kept.acknowledged_by)
        check_alerts(saved.values())
        self._alerts = saved
        self._messages = {message.key: message for message in messages} | self._messages

    def alerts(
        self,
        *,
        open_only: bool = False,
        limit: int | None = None,
        before: str | None = None,
        unique_id: str | None = None,
    ) -> list[Alert]:
        """See `Ledger`."""
        with self._lock:
            every = _newest_first(self._alerts.values())
        if before is not None:
            every = every[[*(alert.alert_id for alert in every), before].index(before) + 1 :]
        return [
            alert
            for alert in every
            if (alert.is_open or not open_only) and (unique_id is None or is_about(alert, unique_id))
        ][:limit]

    def acknowledge(self, alert_id: str, by: str, at: datetime) -> bool:
        """See `Ledger`."""
        with self._lock:
            found = self._alerts.get(alert_id)
            if found is None or not found.is_open:
                return False
            self._alerts[alert_id] = replace(found, acknowledged=at, acknowledged_by=by)
            return True

    def waiting_messages(self) -> list[Message]:
        """See `Ledger`."""
        with self._lock:
            waiting = [message for message in self._messages.values() if message.ended_at is None]
        return sorted(waiting, key=lambda message: (message.due_at, *message.place))

    def claim_messages(self, routes: Collection[str], at: datetime, until: datetime) -> list[Message]:
        """See `Ledger`."""
        with self._lock:
            due = due_messages([found for found in self._messages.values() if found.ended_at is None], routes, at)
            self._messages |= {message.key: replace(message, due_at=until) for message in due}
        return due

    def record_attempts(self, messages: Sequence[Message]) -> None:
        """See `Ledger`."""
        with self._lock:
            self._messages |= {
                message.key: message for message in messages if self._messages[message.key].ended_at is None
            }
            waiting = {found.alert_id for found in self._messages.values() if found.ended_at is None}
            for message in messages:
                alert, ended = self._alerts[message.alert_id], message.ended_at
                is_of_state = alert.is_open or message.kind == "RESOLVED"
                if message.alert_id not in waiting and ended and is_of_state and alert.delivered is None:
                    self._alerts[message.alert_id] = replace(alert, delivered=ended)

    def mute(self, mute: Mute) -> None:
        """See `Ledger`."""
        with self._lock:
            self._mutes[mute.pattern] = mute

    def mutes(self) -> list[Mute]:
        """See `Ledger`."""
        with self._lock:
            return sorted(self._mutes.values(), key=lambda mute: mute.pattern)

    def beat(self, name: str, at: datetime) -> None:
        """See `Ledger`."""
        with self._lock:
            self._heartbeats[name] = at

    def heartbeats(self) -> dict[str, datetime]:
        """See `Ledger`."""
        with self._lock:
            return dict(self._heartbeats)

    def change_feed_loads(self, change: FeedLoadsChange) -> None:
        """See `Ledger`."""
        with self._lock:
            self._feed_loads = {each.feed: each for each in change(list(self._feed_loads.values()))}

    def feed_loads(self) -> list[FeedLoad]:
        """See `Ledger`."""
        with self._lock:
            return sorted(self._feed_loads.values(), key=lambda each: each.feed)

    def save_retraining(self, retraining: Retraining) -> None:
        """See `Ledger`."""
        with self._lock:
            self._retrainings[retraining.key] = retraining

    def retrainings(self) -> list[Retraining]:
        """See `Ledger`."""
        with self._lock:
            return sorted(self._retrainings.values(), key=lambda each: (each.asked_at, each.key))

    def close(self) -> None:
        """Nothing to give back."""


def _newest_first(alerts: Iterable[Alert]) -> list[Alert]:
    return sorted(alerts, key=lambda alert: (alert.first_seen, alert.alert_id), reverse=True)
