"""Who gets an id, decided without a store."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.verdict_store.binary import int4_array, int8_array, uuid_array
from stream.verdict_store.claims import Claimants, Known, contest, decide
from stream.verdict_store.records import Claim

ids = st.lists(st.tuples(st.sampled_from([0, 1, 2**63, 2**64 - 1]), st.sampled_from([0, 7, 2**64 - 1])), max_size=30)

EXAMPLES = settings(deadline=None)  # whichever comes first loads a kernel


def claimants(values: list[tuple[int, int]]) -> Claimants:
    """Return records that claim ids, each by other numbers."""
    n = len(values)
    draw = np.random.default_rng(n)
    return Claimants(
        ids=array(values),
        fingerprints=draw.integers(-(2**63), 2**63 - 1, n),
        partitions=draw.integers(0, 2**31 - 1, n, dtype=np.int32),
        offsets=draw.integers(0, 2**63 - 1, n),
    )


def array(values: list[tuple[int, int]]) -> np.ndarray:
    return np.array(values, dtype=np.uint64).reshape(-1, 2)


@EXAMPLES
@given(ids)
def test_distinct_ids_are_in_the_order_of_their_bytes(values: list[tuple[int, int]]) -> None:
    given_ids = array(values)
    ordered = given_ids[contest(claimants(values)).first].astype(">u8")
    as_bytes = [row.tobytes() for row in ordered]
    assert as_bytes == sorted({row.tobytes() for row in given_ids.astype(">u8")})


@EXAMPLES
@given(ids)
def test_the_first_of_an_id_is_the_first_delivered(values: list[tuple[int, int]]) -> None:
    contested = contest(claimants(values))
    for row, value in enumerate(values):
        assert contested.first[contested.place[row]] == values.index(value)


@EXAMPLES
@given(ids)
def test_postgres_gets_who_claims_each_id_first_as_arrays(values: list[tuple[int, int]]) -> None:
    claims = claimants(values)
    contested = contest(claims)
    first = contested.first
    assert contested.arrays == (
        uuid_array(claims.ids[first]),
        int8_array(claims.fingerprints[first]),
        int4_array(claims.partitions[first]),
        int8_array(claims.offsets[first]),
    )


def test_whoever_was_known_before_wins_over_the_first_delivered() -> None:
    claims = Claimants(
        ids=array([(1, 1), (2, 2), (1, 1), (2, 2)]),
        fingerprints=np.array([10, 20, 10, 20]),
        partitions=np.zeros(4, dtype=np.int32),
        offsets=np.arange(4),
    )
    known = Known(np.array([0]), np.array([10]), np.array([0], dtype=np.int32), np.array([2]))
    decided = decide(claims, contest(claims), known)
    assert decided.tolist() == [Claim.DUPLICATE, Claim.FRESH, Claim.REPLAY, Claim.DUPLICATE]
