"""Look-ups without servers: a VPA leads to its account, and a payment that was folded away is shown as it is stored."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from features.identity import Identities
from service.calls import entities, score
from service.calls.entities import Lookup
from service.calls.what_if import NotScored, Scored
from service.door.problems import Problem
from service.waiting.records import Records
from stream.facts import conceal, pack
from stream.verdict_store.door import Found
from tests.unit.test_api_waiting import ARTIFACT, NOW, asked, row_of

if TYPE_CHECKING:
    from collections.abc import Callable

BY_ACCOUNT, BY_VPA = Identities(bytes(16), by_account=True), Identities(bytes(16))


class Reads:
    """Answers with one door, at once."""

    def __init__(self, door: Any) -> None:
        self._door = door

    async def ask(self, what: Callable[[Any], Any]) -> Any:
        return what(self._door)

    async def run(self, what: Callable[[], Any]) -> Any:
        return what()


def identity(identities: Identities, facts: bytes | None = None, **wanted: Any) -> int:
    row = SimpleNamespace(facts=facts)
    door = SimpleNamespace(search=lambda *_args, **_more: Found([row], None, partial=False))
    parts: Any = SimpleNamespace(identities=identities, reads=Reads(door))
    return asyncio.run(entities._identity(parts, Lookup(**wanted)))


def hash_of(text: str) -> int:
    return int(BY_VPA.hash([text.encode()])[0])


def facts_with(account: str) -> bytes | None:
    return pack({"payer_account": conceal([account], BY_VPA.hash([account.encode()]))}, 1)[0]


def test_where_logs_are_kept_by_vpa_it_is_the_hash_of_the_vpa_in_lower_case():
    assert identity(BY_VPA, facts_with("123456789012"), kind="payer", id="A@B") == hash_of("a@b")
    with pytest.raises(Problem) as refused:
        identity(BY_VPA, kind="payer", id="123456789012", id_type="account")
    assert json.loads(refused.value.body)["field"] == "id_type"


def test_where_logs_are_kept_by_account_a_vpa_leads_to_it():
    assert identity(BY_ACCOUNT, facts_with("123456789012"), kind="payer", id="A@B") == hash_of("123456789012")
    assert identity(BY_ACCOUNT, None, kind="payer", id="A@B") == hash_of("a@b"), "its logs are kept by VPA then"
    assert identity(BY_ACCOUNT, None, kind="payer", id="123456789012", id_type="account") == hash_of("123456789012")


def test_a_payment_that_may_be_folded_away_is_shown_as_it_is_stored():
    one, other = asked("one"), asked("other")
    stored = row_of(one)
    door = SimpleNamespace(stored=lambda keys: {key: stored for key in keys if key == (b"one", NOW)})
    parts: Any = SimpleNamespace(records=Records(lambda _model: ARTIFACT, ARTIFACT), reads=Reads(door))
    vector = np.zeros(len(ARTIFACT.feature_names), dtype=np.float32)
    said: Any = [Scored(None, vector, vector, perhaps_folded=True)] * 2 + [NotScored("redis", "")]  # type: ignore[arg-type]
    found = asyncio.run(score._stored(parts, [one, other, one], said))
    assert set(found) == {0}, "the other is not stored, so it is new"
    shown = json.loads(found[0])
    assert (shown["transaction_id"], shown["score"]) == ("one", stored.score)
    assert len(shown["features"]) == len(shown["contributions"]) == len(ARTIFACT.feature_names)
