"""What is looked at before a map is proposed: the columns of a file, and a sample of their values."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Final

from upifraud.proposal.names import words_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from files.look import Look

_NOTHING: Final = frozenset({"", "nan", "null", "none", "na", "n/a", "nat", "-", "--"})
"""How files write that there is no value."""

FEW: Final = 40
"""A column with at most so many values has them counted."""


@dataclass(frozen=True)
class Column:
    """One column of a sample. Values are as the file has them: texts in CSV, typed in Parquet and JSON."""

    name: str
    values: Sequence[object]

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words of its name, in lower case."""
        return words_of(self.name)

    @cached_property
    def there(self) -> list[object]:
        """The values that are there."""
        return [value for value in self.values if not _missing(value)]

    @cached_property
    def texts(self) -> list[str]:
        """The values that are there, as text without white space around them."""
        return [text_of(value) for value in self.there]

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each text is there."""
        return Counter(self.texts)

    @property
    def empty(self) -> bool:
        """Whether not one value is there."""
        return not self.there

    @property
    def is_unique(self) -> bool:
        """Whether no value comes twice, and none is missing."""
        return bool(self.texts) and len(self.counts) == len(self.values)

    def typed(self, *types: type) -> bool:
        """Say whether all values that are there are of these types; a boolean is no integer."""
        return bool(self.there) and all(type(value) in types for value in self.there)

    def share(self, matches: int) -> float:
        """Return which share of the values that are there so many are."""
        return matches / len(self.there) if self.there else 0.0


@dataclass(frozen=True)
class Sample:
    """A sample of a file, in file order."""

    columns: Mapping[str, Column]
    rows: int
    """Of the sample."""
    encoding: str | None = None
    """To be said in the map, where the file does not say it itself."""
    separator: str | None = None
    why_none: str = ""
    """Where there are no rows: what is wrong with the first."""
    """The same of what stands between cells."""

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns.values())


def sample_of(look: Look, why_none: str = "") -> Sample:
    """Return the sample of a look at files; columns of objects and lists are left out, for no field is one."""
    made = {name: Column(name, [row.get(name) for row in look.samples]) for name in look.columns}
    return Sample(
        columns={name: column for name, column in made.items() if not _is_nested(column)},
        rows=len(look.samples),
        why_none=why_none,
        encoding=look.encoding,
        separator=look.separator if look.separator not in {None, ",", ";", "\t"} else None,
    )


def _is_nested(column: Column) -> bool:
    return bool(column.there) and all(isinstance(value, dict | list) for value in column.there)


def text_of(value: object) -> str:
    """Return a value as a map would name it."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value) if isinstance(value, int) else json.dumps(value, default=str)


def _missing(value: object) -> bool:
    if value is None:
        return True
    if isinstance(value, str):
        return value.strip().lower() in _NOTHING
    return isinstance(value, float) and (value != value or value in (float("inf"), float("-inf")))
