"""Names in the online store. Whatever would change the meaning of a stored byte changes the tag, and so every key."""

from __future__ import annotations

import hashlib
from typing import Final

from features.entities import KINDS
from features.measure.hll import REGISTERS
from features.record import LAYOUT_VERSION, RECORD_BYTES
from features.windows import BLOCK, HORIZON, PANES, WINDOWS

TAG: Final = hashlib.sha256(
    repr((LAYOUT_VERSION, BLOCK, HORIZON, PANES, REGISTERS, sorted(WINDOWS.values()))).encode()
).hexdigest()[:4]
"""Four hex digits of the record layout, the window rules and the windows that headers hold panes of."""

REPORT_LETTERS: Final = tuple(kind.reports for kind in KINDS if kind.reports)
LETTERS: Final = (*(kind.letter for kind in KINDS), *REPORT_LETTERS)
"""What keys begin with."""

LIBRARY: Final = f"upifraud_{TAG}"
OFFSETS: Final = f"upifraud:{TAG}:offsets".encode()
"""A set: the names of the partitions that have a next offset. Releases before 2026-12 had the offsets themselves there,
in a hash; as it is a set, the server refuses their workers."""

BY_PARTITION: Final = b"by partition"
"""A member of that set, which is no name of a partition: so the set is there before any offset is."""

IDENTITY_CHECK: Final = f"upifraud:{TAG}:identity".encode()
"""A fingerprint of the identity key, so that a worker with another key refuses to start."""

IDENTITY_BYTES: Final = 8
SENT: Final = IDENTITY_BYTES * len(KINDS)
"""Where in an entry, behind the identities, the payer's record lies."""
GOT: Final = SENT + RECORD_BYTES
"""Where that of the other logs lies."""
ORIGIN: Final = GOT + RECORD_BYTES
ENTRY_BYTES: Final = ORIGIN + 10
READ_BYTES: Final = 17
NAME_BYTES: Final = 9
"""Of a log that is named: kind, identity."""
WANTED_BYTES: Final = 13
"""Of a single record that is wanted: kind, identity, position."""
PREFIX_BYTES: Final = 16
"""Of a folded log's header: magic, its length, and how many records were folded away. No two folds leave the same."""
UNKNOWN_LENGTH: Final = 0xFFFFFFFF
"""Expected of a log of which nothing is expected."""


def offset_key(partition: bytes) -> bytes:
    """Return the key of a partition's next offset: what is below it was applied."""
    return OFFSETS + b":" + partition


def topic_key(topic: bytes) -> bytes:
    """Return the key of the id of the topic that the offsets are of; no topic has a colon in its name."""
    return OFFSETS + b":" + topic + b":id"


def key(kind: bytes, identity: bytes) -> bytes:
    """Return the key of one log: kind, tag, and the eight bytes of the hashed identity."""
    return prefix(kind) + identity


def prefix(kind: bytes) -> bytes:
    """Return what the keys of all logs of a kind begin with."""
    return kind + TAG.encode() + b":"
