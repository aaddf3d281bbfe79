"""Readers may change nothing in Dagster: their requests get a context like that of `dagster-webserver --read-only`.

Dagster's pages then show them their buttons switched off, and every mutation that needs a permission is refused. Who
is a reader is known from the gateway (`gateway_identity`).
"""

from collections.abc import MutableMapping
from typing import Any

from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext

from forecasting_platform.gateway_identity import Person

PERSON = "forecasting.person"
"""Key in the scope of a request: the person who logged in."""


def read_only_for_readers(context: WorkspaceProcessContext) -> WorkspaceProcessContext:
    """The context of a web server, changed: a request of a reader gets a read-only one.

    Raises:
        AttributeError: this Dagster keeps elsewhere whether a request may change anything.
    """
    create = context.create_request_context

    def create_for(source: Any = None) -> WorkspaceRequestContext:
        made = create(source)
        scope: MutableMapping[str, Any] = getattr(source, "scope", {})
        person: Person | None = scope.get(PERSON)
        if person is not None and not person.may_change:
            if made._read_only not in {True, False}:
                raise AttributeError("_read_only")
            made._read_only = True
        return made

    context.create_request_context = create_for  # type: ignore[method-assign] # this server's only
    return context
