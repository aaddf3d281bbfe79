"""Dagster's web server behind a guard, so that no other site's page can read or command it (`python -m` this module).

Dagster's own server answers every request: a mutation in the URL of an image, a form with a text body, a page whose
host name resolves to 127.0.0.1. Options and behaviour are otherwise those of `dagster-webserver`; `site_guard` has the
rule.
"""

import html
import sys
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from dagster_webserver import cli
from pydantic import SecretStr

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.gateway_identity import HEADER, GatewayIdentity, UntrustedIdentityError
from forecasting_platform.orchestration.dagster_instance.reading import PERSON, read_only_for_readers
from forecasting_platform.settings import Settings
from forecasting_platform.site_guard import SiteGuard

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]
"""An ASGI application."""

GRAPHQL = "/graphql"
HEALTH = "/server_info"
"""What a load balancer asks, under the server's IP address."""
GRAPHQL_TYPES = frozenset({"application/json", "application/graphql"})
"""Content types of a query. No form and no other site's page can send them without asking first."""
POLICY_VIOLATION = 1008
LINK_PAGE = """<!doctype html><meta charset="utf-8"><title>A link of another site</title>
<p>A page of another site leads here. If you meant to come: <a href="{target}">{target}</a></p>"""


@dataclass(frozen=True, slots=True)
class _Refusal:
    status: int
    text: str
    headers: dict[str, str] = field(default_factory=dict)


class GuardedApplication:
    """Passes on requests that `guard` allows; accepts queries only as a POST of JSON or GraphQL.

    Of the people that `gateway` names, readers send nothing but queries.
    """

    def __init__(self, application: Application, guard: SiteGuard, gateway: GatewayIdentity) -> None:
        self._application = application
        self._guard = guard
        self._gateway = gateway

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one connection, as ASGI says."""
        refusal = None if scope["type"] == "lifespan" else self._refusal(scope)
        if refusal is None:
            await self._application(scope, receive, _unframed(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": refusal.text})
        else:
            await _answer(send, refusal)

    def _refusal(self, scope: Message) -> _Refusal | None:
        host, origin, site = (_header(scope, name) for name in ("host", "origin", "sec-fetch-site"))
        refused = self._guard.refusal(host, origin, site, any_address=scope["path"] == HEALTH)
        if refused is None:
            return _refused_query(scope) or self._refused_person(scope)
        if _is_followed_link(scope) and self._guard.refusal(host, origin, None) is None:
            # On this server, whatever the path begins with.
            query = scope["query_string"].decode("latin-1")
            target = html.escape("/" + quote(scope["path"].lstrip("/")) + (f"?{query}" if query else ""))
            return _Refusal(403, LINK_PAGE.format(target=target), {"content-type": "text/html; charset=utf-8"})
        return _Refusal(403, refused)

    def _refused_person(self, scope: Message) -> _Refusal | None:
        """Why a person's request is refused; notes the person for the context that the request gets."""
        try:
            person = scope[PERSON] = self._gateway.person(_header(scope, HEADER.lower()))
        except UntrustedIdentityError as error:
            return _Refusal(403, str(error))
        if person is None or person.may_change or scope["type"] == "websocket":
            return None
        if scope["method"] in {"GET", "HEAD"} or scope["path"].rstrip("/").endswith(GRAPHQL):
            return None
        return _Refusal(403, f"{person.name} is a {person.role}, who changes nothing here")


def guard_web_server(allowed_hosts: str | None, gateway_secret: SecretStr | None = None) -> None:
    """Make `dagster-webserver` serve a `GuardedApplication`, by replacing the function that builds its application.

    Raises:
        ConfigurationError: an allowed host is none, or the gateway's secret is too short.
        AttributeError: this Dagster makes its application elsewhere.
    """
    guard, gateway = SiteGuard(allowed_hosts), GatewayIdentity(gateway_secret)
    make = cli.create_app_from_workspace_process_context  # type: ignore[attr-defined] # dagster's own, imported there

    def make_guarded(context: Any, *args: Any, **kwargs: Any) -> GuardedApplication:
        return GuardedApplication(make(read_only_for_readers(context), *args, **kwargs), guard, gateway)

    cli.create_app_from_workspace_process_context = make_guarded  # type: ignore[assignment, attr-defined] # served, nothing else


def _refused_query(scope: Message) -> _Refusal | None:
    """Why a query is refused: another site's page can make a browser send GETs and forms, but not JSON."""
    if scope["type"] == "websocket" or not scope["path"].rstrip("/").endswith(GRAPHQL):
        return None
    if scope["method"] == "POST":
        media_type = (_header(scope, "content-type") or "").partition(";")[0].strip().lower()
        if media_type not in GRAPHQL_TYPES:
            return _Refusal(415, f"a query is sent as application/json, not as {media_type[:100]!r}")
    # Who accepts a page is shown Dagster's playground, and nothing runs; Dagster looks at the first such header.
    elif "text/html" not in next(_values(scope, "accept"), ""):
        return _Refusal(405, "a query is sent by POST, as application/json", {"allow": "POST"})
    return None


def _is_followed_link(scope: Message) -> bool:
    """Whether a person followed a link on another site, such as a link to a run in a message."""
    how = [_header(scope, f"sec-fetch-{name}") for name in ("mode", "dest")]
    return scope["type"] == "http" and scope["method"] == "GET" and how == ["navigate", "document"]


def _header(scope: Message, name: str) -> str | None:
    """The value of a header; repeated headers are joined by commas."""
    values = list(_values(scope, name))
    return ", ".join(values) if values else None


def _values(scope: Message, name: str) -> Iterator[str]:
    return (value.decode("latin-1") for key, value in scope["headers"] if key == name.encode())


async def _answer(send: Send, refusal: _Refusal) -> None:
    headers = {
        "content-type": "text/plain; charset=utf-8",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "cache-control": "no-store",
        **refusal.headers,
    }
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": pairs})
    await send({"type": "http.response.body", "body": refusal.text.encode()})


def _unframed(send: Send) -> Send:
    """Forbid other sites to show our pages in a frame, where a user could be tricked into a click."""

    async def send_unframed(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"x-frame-options", b"SAMEORIGIN")]
        await send(message)

    return send_unframed


if __name__ == "__main__":
    try:
        settings = Settings()
        guard_web_server(settings.allowed_hosts, settings.gateway_secret)
    except ConfigurationError as error:
        sys.exit(str(error))
    cli.main()  # type: ignore[no-untyped-call] # dagster's own
