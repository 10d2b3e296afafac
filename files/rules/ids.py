"""Ids where a file has none: the number of the row, or a hash of what the row holds."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from files.rules.rule import text_of

if TYPE_CHECKING:
    from files.rules.rule import Faults, Rows, Values

_HASH_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class RowNumber:
    """The number of the row, counted from 1 over all files, behind a prefix."""

    prefix: str
    columns: tuple[str, ...] = ()

    def make(self, _target: str, rows: Rows, _faults: Faults) -> Values:
        """Return ids."""
        return [f"{self.prefix}{number}" for number in rows.numbers]


@dataclass(frozen=True, slots=True)
class HashOf:
    """A hash of 128 bits of some columns: the same content has the same id, in whatever file and row."""

    columns: tuple[str, ...]

    def make(self, _target: str, rows: Rows, _faults: Faults) -> Values:
        """Return ids of 32 characters."""
        return [
            blake2b(_content(values), digest_size=_HASH_BYTES).hexdigest() for values in zip(*rows.columns, strict=True)
        ]


def _content(values: tuple[object, ...]) -> bytes:
    """Return values as bytes that no other values have: what is long as text begins with its length."""
    texts = ["" if value is None else value if type(value) is str else text_of(value) for value in values]
    lengths = ",".join(map(str, map(len, texts)))
    return f"{lengths}:{''.join(texts)}".encode("utf-8", "surrogatepass")
