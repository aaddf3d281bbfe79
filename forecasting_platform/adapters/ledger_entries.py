"""Checks entries before any ledger stores them. Pure."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from forecasting_platform.errors import InvalidFrameError, PromotionOvertakenError, examples
from forecasting_platform.forecasting.monitoring.incidents import Alert


def check_evidence(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """The evidence as JSON gives it back: what was decided on can be read by anything, for ever.

    Raises:
        InvalidFrameError: a value is no JSON, such as NaN or a date.

    >>> check_evidence({"cutoffs": ("2023-06-15",), "rmse": 5.7})
    {'cutoffs': ['2023-06-15'], 'rmse': 5.7}
    """
    try:
        restored: dict[str, Any] = json.loads(json.dumps(evidence, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InvalidFrameError("promotion_decisions", f"the evidence is not JSON: {error}") from error
    return restored


def check_alerts(alerts: Iterable[Alert]) -> None:
    """Refuse two open incidents of one fingerprint.

    Raises:
        InvalidFrameError: names the fingerprints.
    """
    open_incidents = Counter(alert.fingerprint for alert in alerts if alert.is_open)
    repeated = [fingerprint for fingerprint, count in open_incidents.items() if count > 1]
    if repeated:
        raise InvalidFrameError("alerts", f"more than one incident is open for {examples(repeated)}; resolve one first")


def refuse_overtaken(known: int | None, newest: int) -> None:
    """Refuse a decision whose maker knew another one as the newest.

    Raises:
        PromotionOvertakenError: another decision was written since.
    """
    if known is not None and known != newest:
        raise PromotionOvertakenError(known, newest)
