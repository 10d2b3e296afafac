"""Who gets an id, decided without a store."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream.verdict_store.claims import Claimants, Known, contest, decide
from stream.verdict_store.records import Claim

ids = st.lists(st.tuples(st.sampled_from([0, 1, 2**63, 2**64 - 1]), st.sampled_from([0, 7, 2**64 - 1])), max_size=30)


def array(values: list[tuple[int, int]]) -> np.ndarray:
    return np.array(values, dtype=np.uint64).reshape(-1, 2)


@given(ids)
def test_distinct_ids_are_in_the_order_of_their_bytes(values: list[tuple[int, int]]) -> None:
    given_ids = array(values)
    ordered = given_ids[contest(given_ids).first].astype(">u8")
    as_bytes = [row.tobytes() for row in ordered]
    assert as_bytes == sorted({row.tobytes() for row in given_ids.astype(">u8")})


@given(ids)
def test_the_first_of_an_id_is_the_first_delivered(values: list[tuple[int, int]]) -> None:
    contested = contest(array(values))
    for row, value in enumerate(values):
        assert contested.first[contested.place[row]] == values.index(value)


def test_whoever_was_known_before_wins_over_the_first_delivered() -> None:
    claims = Claimants(
        ids=array([(1, 1), (2, 2), (1, 1), (2, 2)]),
        fingerprints=np.array([10, 20, 10, 20]),
        partitions=np.zeros(4, dtype=np.int32),
        offsets=np.arange(4),
    )
    known = Known(np.array([0]), np.array([10]), np.array([0], dtype=np.int32), np.array([2]))
    decided = decide(claims, contest(claims.ids), known)
    assert decided.tolist() == [Claim.DUPLICATE, Claim.FRESH, Claim.REPLAY, Claim.DUPLICATE]
