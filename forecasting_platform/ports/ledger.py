"""The record that people must be able to trust: promotion decisions, alerts, and the newest load of each feed.

Transactional and small, so it stays in Postgres whichever table store is chosen. Promises: decisions
are append-only, chained by their hashes, and read newest first; one at a time changes the champion; an
alert is one row per incident, keyed by `alert_id`, and at most one incident of a fingerprint is open;
incidents and the messages about them are saved together or not at all; a message is queued once, and given to one
sender at a time; saving an incident keeps who acknowledged it; of two changes of incidents one sees what the other
made of them; of two loads that end at once each is in the record of the feeds; a ledger that does not answer raises
`StoreUnavailableError`.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from forecasting_platform.forecasting.monitoring.alert_messages import Message
from forecasting_platform.forecasting.monitoring.feed_loads import FeedLoad
from forecasting_platform.forecasting.monitoring.incidents import Alert, Mute
from forecasting_platform.forecasting.monitoring.retraining import Retraining
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision
from forecasting_platform.forecasting.promotion.tries import ComparedRecipes

AlertsChange = Callable[[list[Alert]], tuple[Sequence[Alert], Sequence[Message]]]
"""What becomes of the incidents there are: those to save, and the messages to queue. Pure."""

FeedLoadsChange = Callable[[list[FeedLoad]], Sequence[FeedLoad]]
"""What becomes of the records of feeds, all of them. Pure."""


class Ledger(Protocol):
    """Decisions and alerts."""

    def prepare(self) -> None:
        """Create what is missing of the schema."""
        ...

    def append_decision(self, decision: PromotionDecision, *, after: int | None = None) -> PromotionDecision:
        """Write one decision at the end of the chain; as it stands there, its number larger than every earlier one.

        Args:
            after: the number of the newest decision that its maker knew, 0 where there was none; None writes it anyway.

        Raises:
            PromotionOvertakenError: another decision was written since; this one is not.
        """
        ...

    def promotion(self) -> AbstractContextManager[None]:
        """The right to change the champion: one holder at a time, of all that use this ledger; the others wait.

        Its holder may lose it without a word, with its connection: it writes what it decides by `after`.

        Raises:
            StoreUnavailableError: it was not to be had within ten minutes.
        """
        ...

    def decisions(
        self,
        limit: int | None = None,
        *,
        before: int | None = None,
        moving_to: str | None = None,
        with_evidence: bool = True,
    ) -> list[PromotionDecision]:
        """Decisions, newest first, each with its `decision_id`.

        Args:
            before: only those with a smaller number: the last one's of a page gives the next page.
            moving_to: only those that moved the champion to this version.
            with_evidence: without, `evidence` is empty and is not read: it is most of a decision.
        """
        ...

    def compared_recipes(self, since: datetime) -> list[ComparedRecipes]:
        """What `recipes_compared_by` finds in the decisions made since a time, inclusive, oldest first.

        Only these few numbers are read of the evidence, and of no earlier decision.
        """
        ...

    def change_alerts(self, change: AlertsChange) -> int:
        """Save what `change` makes of all incidents there are, as `save_alerts` does; how many it saved.

        Reading and saving are one transaction, and whoever else writes incidents waits for it: a recovery that one
        took in is never undone by another who had read the incident before.

        Args:
            change: called once, while the others wait; it must not call the ledger.
        """
        ...

    def save_alerts(self, alerts: Sequence[Alert], messages: Sequence[Message] = ()) -> None:
        """Insert or update these incidents and put the messages into the outbox, in one transaction.

        A message whose key is there already is kept as it is. What depends on incidents read before goes through
        `change_alerts`.
        """
        ...

    def alerts(
        self,
        *,
        open_only: bool = False,
        limit: int | None = None,
        before: str | None = None,
        unique_id: str | None = None,
    ) -> list[Alert]:
        """Incidents, the newest `first_seen` first, at most `limit` of them.

        Args:
            before: only those that come after the incident of this `alert_id` in this order, none where there is no
                such incident: the last one's of a page gives the next page.
            unique_id: only those of this series (`is_about`).
        """
        ...

    def acknowledge(self, alert_id: str, by: str, at: datetime) -> bool:
        """Record that somebody is on an open incident; False where there is no such one."""
        ...

    def waiting_messages(self) -> list[Message]:
        """Messages neither delivered nor given up, the longest due first."""
        ...

    def claim_messages(self, routes: Collection[str], at: datetime, until: datetime) -> list[Message]:
        """The messages to these routes to try now (`due_messages`), as they were; nobody else is given them.

        Args:
            at: now.
            until: when they are due again, should their sender never say what became of them.
        """
        ...

    def record_attempts(self, messages: Sequence[Message]) -> None:
        """Keep what came of sending; an incident none of whose messages waits any more is delivered, one that is over
        only by the message that says so.

        A message that was delivered or given up meanwhile stays so.
        """
        ...

    def mute(self, mute: Mute) -> None:
        """Mute a pattern; a mute of the same pattern is replaced."""
        ...

    def mutes(self) -> list[Mute]:
        """Every mute, expired ones too, by pattern."""
        ...

    def beat(self, name: str, at: datetime) -> None:
        """Record that a watcher lives."""
        ...

    def heartbeats(self) -> dict[str, datetime]:
        """When each watcher last lived."""
        ...

    def change_feed_loads(self, change: FeedLoadsChange) -> None:
        """Replace the records of feeds by what `change` makes of them, in one transaction: one a feed.

        Args:
            change: called once, while other writers of them wait; it must not call the ledger.
        """
        ...

    def feed_loads(self) -> list[FeedLoad]:
        """The record of each feed, by name."""
        ...

    def save_retraining(self, retraining: Retraining) -> None:
        """Insert or replace a training that an incident asked for, by its key."""
        ...

    def retrainings(self) -> list[Retraining]:
        """Every training that an incident asked for, oldest first."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...
