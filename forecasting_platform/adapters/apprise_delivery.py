"""Messages about incidents, by Apprise: mail, chat, webhook and whatever else its URLs name.

An entry of the URLs may name who it is for: `error+data-science=mailto://…` gets what is of that
severity and that owner, an entry without names gets everything.
"""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.alerts import Alert, Kind

if TYPE_CHECKING:
    import apprise

_ROUTED = re.compile(r"^(?P<names>[\w+-]+)=(?P<url>\w[\w+.-]*://.*)$")


class AppriseDelivery:
    """The channel `apprise`.

    Args:
        urls: Apprise URLs separated by commas or spaces, each with or without a route.

    Raises:
        ConfigurationError: a URL that Apprise does not understand.
    """

    name = "apprise"

    def __init__(self, urls: str) -> None:
        # Takes a second, and most ticks have nothing to tell.
        import apprise

        entries = list(filter(None, re.split(r"[,\s]+", urls)))
        self._routes: list[tuple[frozenset[str], apprise.Apprise]] = []
        for number, entry in enumerate(entries, start=1):
            routed = _ROUTED.match(entry)
            # A post that is redirected becomes a get, and nobody is told; its headers may hold a token.
            notifier = apprise.Apprise(asset=apprise.AppriseAsset(http_redirects=False))
            if not notifier.add(routed["url"] if routed else entry):
                # Not shown: it may hold a password or a token.
                raise ConfigurationError(
                    "FORECASTING_ALERT_URLS",
                    f"number {number} of its {len(entries)} URLs is none that Apprise understands",
                )
            self._routes.append((frozenset(routed["names"].split("+")) if routed else frozenset(), notifier))

    def send(self, kind: Kind, alerts: Sequence[Alert]) -> str | None:
        """One message about incidents that belong together; None once accepted, else why not.

        A message no route is for counts as accepted: nobody is waiting for it.
        """
        refused = 0
        for notifier, concerned in self._by_route(alerts):
            accepted = notifier.notify(
                title=_title(kind, concerned), body="\n\n".join(map(_body, concerned)), notify_type=_notify_type(kind)
            )
            refused += not accepted
        return f"{refused} of {len(self._routes)} services refused it or did not answer" if refused else None

    def _by_route(self, alerts: Sequence[Alert]) -> Iterable[tuple["apprise.Apprise", list[Alert]]]:
        for names, notifier in self._routes:
            concerned = [alert for alert in alerts if names <= {alert.severity, alert.owner}]
            if concerned:
                yield notifier, concerned


def _title(kind: Kind, alerts: Sequence[Alert]) -> str:
    more = f" and {len(alerts) - 1} more" if len(alerts) > 1 else ""
    return f"[{kind}] {alerts[0].fingerprint}{more}"


def _body(alert: Alert) -> str:
    lines = [alert.summary, f"incident {alert.alert_id}, first seen {alert.first_seen:%Y-%m-%d %H:%M} UTC"]
    if alert.resolved is not None:
        lines.append(f"over since {alert.resolved:%Y-%m-%d %H:%M} UTC")
    lines += [f"{word}: {value}" for word, value in (("owner", alert.owner), ("runbook", alert.runbook)) if value]
    return "\n".join(lines)


def _notify_type(kind: Kind) -> "apprise.NotifyType":
    import apprise

    return apprise.NotifyType.SUCCESS if kind == "RESOLVED" else apprise.NotifyType.FAILURE
