"""`upifraud replay` ends with what became of its records: as the stores tell it, or that it is not known yet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.fixtures.deployment import Deployment

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

FILES = Path(__file__).parents[1] / "fixtures/files"
START = 1_767_200_000_000


def payment(number: int, **changes: object) -> str:
    fields = {
        "transaction_id": f"p-{number}",
        "event_time": START + number,
        "payer_vpa": f"payer{number % 3}@bank",
        "payee_vpa": "shop@bank",
        "amount_paise": 100 + number,
    }
    return json.dumps(fields | changes)


def test_a_replay_tells_what_became_of_its_records(deployment: Deployment) -> None:
    file = deployment.directory / "mixed.jsonl"
    lines = [payment(number) for number in range(20)]
    lines += [payment(3), payment(4), payment(5, amount_paise=1), payment(21, amount_paise=2.5), "no json"]
    file.write_text("\n".join(lines))

    said = deployment.upifraud("replay", str(file))
    assert "published 25 records" in said
    assert "not known yet: no worker is in group" in said
    assert f"by its form alone: {file}: 25 rows, 3 refused" in said
    assert "2 duplicates" in said

    deployment.start_worker()
    deployment.drain()
    said = deployment.upifraud("replay", str(file))
    assert "0 became verdicts, 3 dead letters (" in said, "the worker found the same payments before"
    assert "22 duplicates" in said

    others = deployment.directory / "others.jsonl"
    others.write_text("\n".join(line.replace('"p-', '"q-') for line in lines))
    said = deployment.upifraud("replay", str(others))
    assert "20 became verdicts, 3 dead letters (" in said
    for reason in ("1 conflicting-duplicate", "1 wrong-type", "1 not-json"):
        assert reason in said
    assert ", 2 duplicates" in said

    reports = deployment.directory / "outcomes.jsonl"
    reports.write_text(
        "\n".join(
            json.dumps({"transaction_id": f"r-{number}", "outcome": outcome, "reported_at": START + 5})
            for number, outcome in ((1, "FRAUD"), (2, "Fraud"))
        )
    )
    merged = deployment.directory / "merged.jsonl"
    merged.write_text("\n".join(line.replace('"p-', '"r-') for line in lines))
    said = deployment.upifraud("replay", str(merged), "--outcomes", str(reports))
    assert "20 became verdicts, 3 dead letters (" in said
    assert "1 were taken, 1 dead letters (1 out-of-range)" in said

    for more in ((), ("--rate", "100")):
        refused = deployment.run("replay", str(FILES / "payments-float-amounts.parquet"), *more)
        assert refused.returncode == 1
        assert "0 became verdicts, 3 dead letters (3 wrong-type), 0 duplicates" in refused.stdout
        assert "all were refused" in refused.stderr

    said = deployment.upifraud("replay", str(FILES / "payments-integer-ids.parquet"))
    assert "3 became verdicts, 0 dead letters, 0 duplicates" in said
