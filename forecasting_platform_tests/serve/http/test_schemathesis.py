"""What the OpenAPI document allows, and what it does not, is sent; no answer is a failure, and each is described."""

from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

pytestmark = pytest.mark.slow

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance]
PROPERTY = settings(
    max_examples=20, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), database=None
)


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_makes_the_app_fail_and_every_answer_is_described(app: Flask, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    for found in schema.get_all_operations():
        operation = found.ok()
        # What takes neither a body nor parameters cannot be asked wrongly.
        if mode == GenerationMode.POSITIVE or operation.body or operation.query:
            _ask(operation, mode)


def _ask(operation: Any, mode: GenerationMode) -> None:
    @PROPERTY
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        case.validate_response(case.call(), checks=CHECKS)

    ask()
