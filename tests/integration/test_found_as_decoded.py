"""A payment as it comes is found by whatever it says: decoding, storing and searching agree on each hash."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from features.identity import Identities
from features.store.provenance import VERSION, WRITTEN
from stream.decode import decode_payments
from stream.facts import unpack
from stream.verdict_store import VerdictStore, migrate
from stream.verdict_store.door import Door, Period, Wanted, day_indexes
from tests.fixtures.stored_payments import stored_payments

if TYPE_CHECKING:
    from stream.verdict_store.door.asked import Kind

pytestmark = pytest.mark.servers

IDENTITIES = Identities(bytes(range(16)))
NOW = round(time.time() * 1000)
SAID = {
    "rrn": "633412000017",
    "device_id": "8f0c-device",
    "payer_account": "00110022003300",
    "payee_account": "9988776655",
    "payer_bank": "HDFC",
    "remarks_hash": "feed",
}


def hash_of(text: str) -> int:
    return int(IDENTITIES.hash([text.encode()])[0])


@pytest.mark.parametrize("days_ago", [0, 2])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("rrn", 633_412_000_017),
        ("payer_vpa", b"asha@okaxis"),
        ("payee_vpa", "दुकान@ybl".encode()),
        ("device", hash_of("8f0c-device")),
        ("payer_account", hash_of("00110022003300")),
        ("payee_account", hash_of("9988776655")),
    ],
)
def test_a_payment_is_found_by_what_it_says(postgres_url: str, kind: Kind, value: int | bytes, days_ago: int) -> None:
    at = NOW - days_ago * 86_400_000
    plain = {"event_time": at, "payer_vpa": "Asha@OKaxis", "payee_vpa": "दुकान@ybl", "amount_paise": 5}
    other = plain | {"transaction_id": "other", "payer_vpa": "x@y", "payee_vpa": "z@y"}
    records = [json.dumps(one).encode() for one in (plain | SAID | {"transaction_id": "full"}, other)]
    decoded = decode_payments(records, NOW, IDENTITIES)
    provenance = np.zeros(2, dtype=WRITTEN)
    provenance["version"] = VERSION
    provenance["device"] = decoded.payments.device
    migrate(postgres_url)
    store, door = VerdictStore(postgres_url), Door(postgres_url)
    stored_payments(
        store,
        [("full", at), ("other", at)],
        payer_vpa=decoded.payer_vpa,
        payee_vpa=decoded.payee_vpa,
        facts=decoded.facts,
        rrn=decoded.rrn,
        provenance=provenance.view(np.uint8).reshape(2, WRITTEN.itemsize),
    )
    if days_ago:
        list(day_indexes.build(postgres_url, NOW // 86_400_000))
    (found,) = door.search(Wanted(kind, value), Period(0, NOW + 1)).records
    assert found.transaction_id == "full"
    facts = unpack(found.facts)
    assert facts["payer_account"] == {"hash": f"{hash_of('00110022003300'):016x}", "last4": "3300"}
    assert (facts["payer_bank"], "remarks_hash" in facts) == ("HDFC", False)
    store.close()
    door.close()
