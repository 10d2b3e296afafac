"""Payers and payees as files write them: UPI addresses, or texts that become addresses by a handle."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from upifraud.proposal.names import words_of

if TYPE_CHECKING:
    from upifraud.proposal.sample import Column

_VPA: Final = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")
_MAIL: Final = re.compile(r"\.(com|net|org|edu|gov|info|in|de|co\.[a-z]{2})$", re.IGNORECASE)
_PARTY: Final = re.compile(r"[^\x00-\x1f\x7f]{1,120}")
_FRACTION: Final = re.compile(r"-?[0-9]+\.[0-9]*[1-9][0-9]*")
_MOST: Final = 0.9
_SAME: Final = 0.02

_PAIRED: Final = (
    {"orig", "dest"}, {"origin", "destination"}, {"sender", "receiver"}, {"sender", "recipient"}, {"payer", "payee"},
    {"from", "to"}, {"remitter", "beneficiary"}, {"remitter", "bene"}, {"source", "destination"}, {"src", "dst"},
    {"src", "dest"}, {"debit", "credit"}, {"debtor", "creditor"}, {"auftraggeber", "empfanger"}, {"source", "target"},
    {"originator", "beneficiary"}, {"zahler", "empfanger"},
)  # fmt: skip
"""Words for two sides of one kind: who pays in one row may be paid in another."""


@dataclass(frozen=True)
class Party:
    """What a column of parties tells of itself."""

    addresses: bool
    """Whether nearly all are UPI addresses."""
    distinct: int


def party_of(column: Column) -> Party | None:
    """Return what the values tell; None where they cannot name parties: numbers with fractions, one value only."""
    if column.empty or (column.typed(float) and any(not value.is_integer() for value in column.there)):  # type: ignore[attr-defined]
        return None
    texts = column.texts
    if sum(_PARTY.fullmatch(text) is not None for text in texts) < _MOST * len(texts):
        return None
    if sum(_FRACTION.fullmatch(text) is not None for text in texts) > (1 - _MOST) * len(texts):
        return None
    addresses = sum(is_address(text) for text in column.counts)
    return Party(addresses >= _MOST * len(column.counts), len(column.counts))


def is_address(text: str) -> bool:
    """Say whether a text looks like a UPI address: one @, and behind it a handle and no domain of mail."""
    return _VPA.fullmatch(text) is not None and _MAIL.search(text) is None


def handles_of(payer: Column, payee: Column | None) -> tuple[str, str]:
    """Return the handles of payers and payees: one for both where a party can be on both sides, else two.

    Customer 17 is not terminal 17: one handle for both would make one party of them.
    """
    if payee is None:
        return _handle(payer), _handle(payer)
    both = {*payer.words, *payee.words}
    paired = any(pair <= both for pair in _PAIRED)
    if paired or _same_values(payer, payee):
        return "party", "party"
    mine, theirs = _handle(payer), _handle(payee)
    return (mine, theirs) if mine != theirs else ("payer", "payee")


def _same_values(payer: Column, payee: Column) -> bool:
    """Say whether both have values in common that are no mere small numbers, which any two columns share."""
    common = [text for text in payer.counts.keys() & payee.counts.keys() if not (text.isdigit() and len(text) < 8)]
    return len(common) > _SAME * min(len(payer.counts), len(payee.counts))


def _handle(column: Column) -> str:
    word = "".join(word for word in words_of(column.name) if word.isascii() and word.isalnum())
    return word[:32] if len(word) > 1 else "party"
