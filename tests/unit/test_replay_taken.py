"""What the stream refuses neither moves the clock of a merged replay nor lets the outcomes of its id out.

payments   1   9 (no amount)   2   3 (of id c, no payee)   3 (of id c)
outcomes       of a, at 2                                      of c, at 1
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from files.source import Source
from history.message_fields import PAYMENT
from history.taken import Taken, refused_messages
from simulator.replay import Merger
from simulator.schedule import AtOnce
from tests.unit.test_simulator_merge import Log, outcome

if TYPE_CHECKING:
    from pathlib import Path

START = 1_767_200_000_000


def row(name: str, at: int, **more: object) -> dict[str, object]:
    return {
        "transaction_id": name,
        "event_time": START + at,
        "payer_vpa": "asha@okaxis",
        "payee_vpa": "shop@ybl",
        "amount_paise": 100,
        **more,
    }


def source(path: Path, rows: list[dict[str, object]]) -> Source:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return Source(path, PAYMENT)


def test_dead_letters_and_conflicting_duplicates_are_refused_and_duplicates_are_not(tmp_path: Path) -> None:
    rows = [
        row("a", 1),
        row("b", 2, amount_paise=None),
        row("a", 1),
        row("a", 5),
        row("b", 2),
        row("c", 10**13),
        row("b", 2, payer_vpa="else@okaxis"),
        row("b", 2, payer_vpa="ASHA@okaxis"),
    ]
    assert refused_messages(source(tmp_path / "a.jsonl", rows)) == {1, 3, 5, 6}
    assert refused_messages(source(tmp_path / "b.jsonl", rows[:1])) == frozenset()


def test_outcomes_wait_for_payments_that_are_taken(tmp_path: Path) -> None:
    rows = [
        row("a", 1),
        row("spoilt", 9, amount_paise=None),
        row("b", 2),
        row("c", 3, payee_vpa=None),
        row("c", 3),
        row("d", 4),
    ]
    payments, log = source(tmp_path / "a.jsonl", rows), Log()
    outcomes = [outcome(START + 2, "of-a-", "a"), outcome(START + 1, "of-c-", "c")]
    merger = Merger(log, log, ("pay", "out"), 0.05)  # type: ignore[arg-type]
    merger.replay(Taken(payments, refused_messages(payments)), outcomes, AtOnce())
    names = [json.loads(value).get("transaction_id") if topic == "pay" else value for topic, value in log.records]
    assert names == [
        "a", "spoilt", "b", "c", f"of-a-{START + 2}".encode(), "c", f"of-c-{START + 1}".encode(), "d"
    ]  # fmt: skip
    published = [json.loads(value) for topic, value in log.records if topic == "pay"]
    assert published == rows, "what is published is the file's"
