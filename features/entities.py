"""The kinds of entities that logs are kept of, a row each; keys, reads, positions and features follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of entity whose payments are logged and measured."""

    name: str
    """Its column in the payments, and what its features' names begin with. The column is 0 where a payment has none."""
    letter: bytes
    """What the keys of its logs begin with."""
    counterparty: str
    """The column of the other party: its logs keep it, and distinct counts are over it."""
    reports: bytes = b""
    """What the keys of outcome reports on its payments begin with; empty: none are kept."""
    optional: bool = False
    """Whether a payment may have none. Its features are missing then."""


PAYER: Final = Kind("payer", b"p", counterparty="payee")
PAYEE: Final = Kind("payee", b"m", counterparty="payer", reports=b"f")
DEVICE: Final = Kind("device", b"d", counterparty="payer", reports=b"g", optional=True)

KINDS: Final = (PAYER, PAYEE, DEVICE)
"""A payment has a log of each, and a position in it. The payer comes first: his records keep how long his log as a
payee was. The payee comes second: its records keep how long its log as a payer was. A new kind is a row behind them,
its column in the payments (features/columns.py), its features (features/definitions.py), and whatever fills the
column."""

INBOUND: Final = len(KINDS)
"""The position, behind those of its own logs, of the payer's log as a payee: what he received."""
OUTBOUND: Final = INBOUND + 1
"""The position, behind that one, of the payee's log as a payer: what it paid out."""
POSITIONS: Final = OUTBOUND + 1

REPORTED: Final = tuple(at for at, kind in enumerate(KINDS) if kind.reports)
"""Which kinds have outcome reports."""

COUNTERPARTIES: Final = tuple([kind.name for kind in KINDS].index(kind.counterparty) for kind in KINDS)
"""Of each kind, which of a payment's identities is the other party."""
