"""Trainings that a lasting incident asks for.

Whether the trained version serves is decided as of any other challenger, in `promotion`; `reports.incident_story` tells
what became of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from forecasting_platform.forecasting.monitoring.causes import checks_of
from forecasting_platform.forecasting.monitoring.incidents import Alert

ASKING = ("forecast_bias_within_budget", "forecast_rmse_within_budget")
"""The checks whose incidents a newer model may end."""
LASTING = timedelta(hours=20)
"""Checks look once a day: what failed again so long after its first failure was there on two days."""


@dataclass(frozen=True, slots=True)
class Retraining:
    """A training that an incident asked for.

    Attributes:
        key: names it; the run that was requested bears it.
        ended_at: when its run ended; None before.
        version: that the run registered; None where it failed.
    """

    key: str
    alert_id: str
    asked_at: datetime
    ended_at: datetime | None = None
    version: str | None = None


def ask_for_training(
    alerts: Iterable[Alert], asked: Iterable[Retraining], at: datetime, every_days: int
) -> Retraining | None:
    """The training that the oldest lasting incident of bias or error asks for; None where none does.

    Args:
        asked: every earlier one.
        at: now.
        every_days: between two of them, whichever incidents ask; 0 asks for none.
    """
    newest = max((each.asked_at for each in asked), default=None)
    is_soon = newest is not None and at - newest < timedelta(days=every_days)
    lasting = sorted(filter(_is_lasting, alerts), key=lambda alert: alert.first_seen)
    if not every_days or is_soon or not lasting:
        return None
    return Retraining(f"incident-{lasting[0].alert_id}-{at:%Y-%m-%d}", lasting[0].alert_id, at)


def _is_lasting(alert: Alert) -> bool:
    """Whether an incident of these checks is open, not muted, and was there on two days."""
    about = " ".join([alert.fingerprint, *checks_of(alert.evidence)])
    return alert.state == "FIRING" and alert.last_seen - alert.first_seen >= LASTING and any(c in about for c in ASKING)
