"""Sends messages about incidents with Apprise: mail, chat, webhooks and whatever else its URLs name."""

from collections.abc import Sequence

from forecasting_platform.adapters.alerts.routes import URLS
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.monitoring.alert_messages import Kind
from forecasting_platform.forecasting.monitoring.causes import MANY_SERIES
from forecasting_platform.forecasting.monitoring.incidents import Alert

MAX_TOLD = 5


class AppriseDelivery:
    """Sends to one Apprise URL.

    Raises:
        ConfigurationError: Apprise does not understand it.
    """

    def __init__(self, url: str) -> None:
        # Takes a second, and most ticks have nothing to tell.
        import apprise

        # A post that is redirected becomes a get, and nobody is told; its headers may hold a token.
        self._success, self._failure = apprise.NotifyType.SUCCESS, apprise.NotifyType.FAILURE
        self._notifier = apprise.Apprise(asset=apprise.AppriseAsset(http_redirects=False))
        if not self._notifier.add(url):
            # Not shown: it may hold a password or a token.
            raise ConfigurationError(URLS, "holds a URL that Apprise does not understand")

    def send(self, kind: Kind, alerts: Sequence[Alert]) -> str | None:
        """One message about incidents that belong together; None once accepted, else why not."""
        more = f" and {len(alerts) - 1} more" if len(alerts) > 1 else ""
        accepted = self._notifier.notify(
            title=f"[{kind}] {alerts[0].fingerprint}{more}",
            body=_bodies(alerts),
            notify_type=self._success if kind == "RESOLVED" else self._failure,
        )
        return None if accepted else "it refused the message or did not answer"


def _bodies(alerts: Sequence[Alert]) -> str:
    """What is known of five incidents, errors and those of many series first, and how many others there are."""
    ordered = sorted(
        alerts, key=lambda alert: (not alert.fingerprint.startswith(MANY_SERIES), alert.severity != "error")
    )
    left = len(alerts) - MAX_TOLD
    more = [f"… and {left} more incidents: `forecasting-platform alerts list` has them all"] if left > 0 else []
    return "\n\n".join([*map(_body, ordered[:MAX_TOLD]), *more])


def _body(alert: Alert) -> str:
    lines = [alert.summary, f"incident {alert.alert_id}, first seen {alert.first_seen:%Y-%m-%d %H:%M} UTC"]
    if alert.resolved is not None:
        lines.append(f"over since {alert.resolved:%Y-%m-%d %H:%M} UTC")
    lines += [f"{word}: {value}" for word, value in (("owner", alert.owner), ("runbook", alert.runbook)) if value]
    return "\n".join(lines)
