"""Up from the release that kept the source offsets in one hash, and back; whoever is still of that release is refused.

    release    in a hash | this one | in a hash
    offset     0 --- 3   | --- 5    | --- 6           none of them counted twice, none passed over

The functions are those of that release, from its repository.
"""

from __future__ import annotations

import struct
from pathlib import Path
from unittest.mock import patch

import pytest
import redis

from features.entities import PAYEE, PAYER
from features.errors import StoreCorruptError
from features.store import layout, redis_store
from features.store.contract import ApplyRequest, Origin, PeekRequest
from features.store.redis_store import RedisEntityStore, library

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[2]
WAY_BACK = ROOT / "deploy" / "redis" / "offsets_in_a_hash.lua"
ALICE, SHOP = b"A" * 8, b"S" * 8
ALICE_KEY = layout.key(PAYER.letter, ALICE)
PARTITION = b"transactions:0"


class Before:
    """What workers of the release before ask of the server."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        code = (ROOT / "tests" / "fixtures" / "functions_before.lua").read_text()
        with patch.object(redis_store.resources, "files", return_value=_Text(code)):
            library.cache_clear()
            self._library = library()
        library.cache_clear()
        client.function_load(self._library.code, replace=True)

    def apply(self, *offsets: int, first: int | None = None, expected: int = 0) -> list[bytes]:
        entries = b"".join(entry(offset) for offset in offsets)
        begins = offsets[0] if first is None else first
        origin = (PARTITION, begins, offsets[-1] + 1, expected)
        return self._client.fcall(f"{self._library.name}_apply", 0, entries, b"", b"", b"", *origin)

    def next_offset(self) -> bytes | None:
        return self._client.hmget(layout.OFFSETS, PARTITION)[0]


class _Text:
    def __init__(self, text: str) -> None:
        self._text = text

    def joinpath(self, _name: str) -> _Text:
        return self

    def read_text(self) -> str:
        return self._text


def entry(offset: int) -> bytes:
    """Alice pays the shop once for each source offset."""
    same = (
        (1_000 + offset).to_bytes(6, "little") + (100).to_bytes(5, "little") + b"other" + struct.pack("<Q", offset + 1)
    )
    return (
        ALICE
        + SHOP
        + bytes(8)
        + same
        + bytes(8)
        + same
        + struct.pack("<II", 0, 1 << 31)
        + struct.pack("<HQ", 0, offset)
    )


def apply(store: RedisEntityStore, *offsets: int, expected: int = 0) -> list[int]:
    """Return the lengths of Alice's log just behind each payment."""
    entries = b"".join(map(entry, offsets))
    applied = store.apply(
        ApplyRequest(entries, b"", b"", b"", [Origin(PARTITION, offsets[0], offsets[-1] + 1, expected)])
    )
    return list(struct.unpack(f"<{5 * len(offsets)}I", applied.positions))[::5]


def test_up_and_back(client: redis.Redis, store: RedisEntityStore) -> None:
    before = Before(client)
    before.apply(0, 1, 2)
    client.hset(layout.OFFSETS, b"transactions:id", b"an-id")
    client.hset(layout.OFFSETS, b"outcomes:1", 9)

    store.check_identity(b"key")  # as every worker does when it starts
    assert store.next_offsets([PARTITION, b"outcomes:1", b"transactions:1"]) == [3, 9, None]
    assert store.topic_id(b"transactions") == b"an-id"
    assert apply(store, 2, 3) == [96, 128], "the tail of what was applied is found, and what follows appended"
    assert apply(store, 4, expected=4) == [160]
    assert store.peek(PeekRequest(b"", b"", b"", 0)).offsets == {PARTITION: 5, b"outcomes:1": 9}

    for refused in (before.next_offset, lambda: before.apply(5)):
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            refused()
    assert client.strlen(ALICE_KEY) == 160

    back = client.eval(WAY_BACK.read_text(), 1, layout.OFFSETS)
    assert back == 4, "two partitions, two topics"
    assert client.hgetall(layout.OFFSETS) == {PARTITION: b"5", b"outcomes:1": b"9", b"transactions:id": b"an-id"}
    assert not list(client.scan_iter(layout.OFFSETS + b":*"))
    assert before.next_offset() == b"5"
    assert struct.unpack_from("<I", before.apply(4, 5, expected=5)[0]) == (160,)
    assert client.strlen(ALICE_KEY) == 192
    with pytest.raises(redis.ResponseError, match="nothing to put back"):
        client.eval(WAY_BACK.read_text(), 1, layout.OFFSETS)

    assert apply(store, 5, 6) == [192, 224], "and up again"
    assert client.strlen(layout.key(PAYEE.letter, SHOP)) == 224


def test_who_only_looks_moves_nothing(client: redis.Redis, store: RedisEntityStore) -> None:
    Before(client).apply(0, 1)
    client.hset(layout.OFFSETS, b"transactions:id", b"an-id")
    assert store.peek(PeekRequest(b"", b"", b"", 0)).offsets == {PARTITION: 2}
    assert client.type(layout.OFFSETS) == b"hash"


def test_a_worker_of_before_is_refused_where_nothing_was_applied_yet(
    client: redis.Redis, store: RedisEntityStore
) -> None:
    """It would begin a hash of its own, and count anew what the others have in theirs."""
    store.check_identity(b"key")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        Before(client).apply(0)
    assert client.strlen(ALICE_KEY) == 0
    assert apply(store, 0) == [32]


def test_a_worker_that_was_at_work_meets_the_hash_again(client: redis.Redis, store: RedisEntityStore) -> None:
    """Somebody went the way back without stopping it: what it expects is there, so it goes on, and moves it again."""
    assert [apply(store, 0), apply(store, 1, expected=1)] == [[32], [64]]
    client.eval(WAY_BACK.read_text(), 1, layout.OFFSETS)
    Before(client).apply(2, expected=2)
    assert apply(store, 2, expected=2) == [96], "found, as the other one appended it"
    assert apply(store, 3, expected=3) == [128]
    assert client.strlen(ALICE_KEY) == 128


def test_offsets_that_are_no_numbers_are_fatal(client: redis.Redis, store: RedisEntityStore) -> None:
    client.lpush(layout.offset_key(PARTITION), b"x")
    with pytest.raises(StoreCorruptError):
        apply(store, 0)
    assert client.strlen(ALICE_KEY) == 0
