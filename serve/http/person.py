"""The person that the gateway says sends the present request."""

from typing import cast

from flask import request

from forecasting_platform.gateway_identity import Person

PERSON = "forecasting.person"
"""Key in a request's environ: `Person`, or None where no gateway stands before the app."""


def current_person() -> Person | None:
    """Who logged in; None for a client without a gateway."""
    return cast("Person | None", request.environ[PERSON])


def name_for_the_record(given: str) -> str:
    """Who did something: the person who logged in, whatever the request says, or else the name that it gives."""
    person = current_person()
    return person.name if person else given
