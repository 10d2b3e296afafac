"""What a merged replay goes by: only payments that the stream takes move its clock and let their outcomes out.

A record that becomes a dead letter may claim any time, and any payment's id. In a history file it is not there, so
outcomes must not come sooner because of it.
"""

from __future__ import annotations

import os
import time
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from features.history import first_appearances
from features.identity import Identities
from stream.decode import decode_payments
from stream.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from files.source import Message, Source

CHUNK = 8_192


class Taken:
    """Messages as they are, but some, by their numbers, without their time and their payment's id."""

    def __init__(self, messages: Iterable[Message], refused: frozenset[int]) -> None:
        self._messages = messages
        self._refused = refused

    def __iter__(self) -> Iterator[Message]:
        for number, message in enumerate(self._messages):
            yield message._replace(moment=None, transaction_id=None) if number in self._refused else message


def refused_messages(source: Source) -> frozenset[int]:
    """Return which messages of a file of payments would become dead letters, conflicting duplicates included.

    They are counted from 0. Holds 32 bytes a message meanwhile.
    """
    settings = read_settings(os.environ)
    identities = Identities(settings.identity_key, by_account=settings.party_identity == "account")
    earliest_ms = settings.earliest_time if source.map.earliest is None else source.map.earliest
    now_ms = int(time.time() * 1000)
    refused: set[int] = set()
    ids, fingerprints, numbers = [], [], []
    first = 0
    messages = iter(source)
    while chunk := list(islice(messages, CHUNK)):
        decoded = decode_payments([message.value for message in chunk], now_ms, identities, earliest_ms=earliest_ms)
        refused.update(first + rejection.index for rejection in decoded.rejections)
        ids.append(decoded.ids128)
        fingerprints.append(decoded.fingerprint)
        numbers.append(first + decoded.rows)
        first += len(chunk)
    if ids:
        refused.update(_conflicts(np.concatenate(ids), np.concatenate(fingerprints), np.concatenate(numbers)))
    return frozenset(refused)


def _conflicts(ids: NDArray[np.uint64], fingerprints: NDArray[np.int64], numbers: NDArray[np.intp]) -> Iterator[int]:
    """Yield the numbers of messages that have the id of an earlier payment and differ from it."""
    first = first_appearances(ids)
    again = {ids[at].tobytes() for at in np.flatnonzero(~first).tolist()}
    if not again:
        return
    stands: dict[bytes, int] = {}
    for at, one in enumerate(ids):
        name = one.tobytes()
        if name in again and stands.setdefault(name, int(fingerprints[at])) != int(fingerprints[at]):
            yield int(numbers[at])
