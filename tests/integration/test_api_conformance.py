"""Whatever a client sends, by the document or against it: no 5xx, a documented status, a body as the schema says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode, checks

from service.door.problems import TITLES
from service.openapi import FILE

if TYPE_CHECKING:
    from tests.fixtures.api import Stack

pytestmark = [pytest.mark.servers, pytest.mark.filterwarnings("ignore")]

EXAMPLES = 20
DOCUMENT = json.loads(FILE.read_bytes())
OPERATIONS = sorted(
    (method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item if path.startswith("/v1/")
)
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda part: part)
def test_a_call_answers_as_the_document_says(api_stack: Stack, method: str, path: str):
    operation = schemathesis.openapi.from_dict(DOCUMENT)[path][method]
    strategy = operation.as_strategy(GenerationMode.POSITIVE) | operation.as_strategy(GenerationMode.NEGATIVE)
    address = f"http://127.0.0.1:{api_stack.apis[0].port}"
    seen: set[int] = set()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(case=strategy)
    def send(case) -> None:
        answer = case.call(base_url=address, headers={"Authorization": f"Bearer {api_stack.key}"})
        seen.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)
        if answer.status_code >= 400:
            assert answer.json()["reason"] in TITLES

    send()
    assert seen
