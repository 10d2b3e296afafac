"""A history that is put into Redis at once has the logs that workers would have made of the same payments."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bench import grown
from bench.grown import DAY_MS, History
from features.identity import Identities
from features.online import OnlineFeatures
from features.rebuild import rebuilt_logs
from features.store.contract import Origin
from features.store.memory_store import MemoryEntityStore
from features.store.messages import Claims
from simulator.encode import encode_payments
from simulator.parameters import Parameters
from simulator.switch import Switch
from stream.decode import decode_payments
from stream.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

UNTIL = 1_790_000_000_000
HISTORY = History(payers=60, seed=5, since=UNTIL - 6 * DAY_MS, until=UNTIL)


@pytest.fixture(scope="module")
def rows() -> NDArray[np.void]:
    return grown.counted(np.concatenate([rows for piece in HISTORY.pieces(2) for rows in grown.decoded(piece)]))


@pytest.mark.slow
def test_every_log_is_that_of_a_worker(rows: NDArray[np.void]) -> None:
    store = MemoryEntityStore()
    features, identities = OnlineFeatures(store), Identities(Settings().identity_key)
    switch, done = Switch(Parameters(seed=HISTORY.seed, payers=HISTORY.payers)), 0
    for payments in switch.payments(HISTORY.since, HISTORY.until):
        columns = decode_payments(encode_payments(payments, switch.directory)[1], UNTIL, identities).payments
        claims = Claims(np.zeros(len(columns), dtype=np.uint16), np.arange(done, done + len(columns)))
        features.process(columns, claims, [Origin(b"transactions:0", done, done + len(columns), done)])
        done += len(columns)
    assert done == len(rows) > 500
    logs = dict(rebuilt_logs(rows))
    both = np.intersect1d(rows["payer"], rows["payee"])
    assert len(both) > 10, "people who pay and are paid"
    assert store.fetch(list(logs)) == list(logs.values())


def test_pieces_follow_each_other_without_a_gap() -> None:
    pieces = HISTORY.pieces(4)
    assert (pieces[0].since, pieces[-1].until) == (HISTORY.since, HISTORY.until)
    assert all(one.until == two.since for one, two in pairwise(pieces))


def test_a_history_that_is_kept_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def provenance(history: History) -> NDArray[np.void]:
        made.append(history)
        return np.zeros(3, dtype=grown.PROVENANCE)

    monkeypatch.setattr(grown, "provenance", provenance)
    for _ in range(2):
        assert len(grown._cached(HISTORY, tmp_path)) == 3
    assert made == [HISTORY]
    grown._cached(HISTORY, None)
    assert len(made) == 2


def test_a_history_of_another_form_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grown, "provenance", lambda _history: np.zeros(3, dtype=grown.PROVENANCE))
    grown._cached(HISTORY, tmp_path)
    (kept,) = tmp_path.iterdir()
    np.save(kept, np.zeros(5))
    assert len(grown._cached(HISTORY, tmp_path)) == 3
