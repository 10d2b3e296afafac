"""Column maps: which column of somebody else's file is which field, in which unit, and what is the same in every row.

A map is TOML: `target = "source column"`, a table `[scale]` with a factor per target, and a table `[const]` with a
value per target. A field that it does not name is taken from the column of the field's own name, if there is one.
Three more keys say what is true of the whole file: `zone`, `encoding` and `earliest`.
"""

from __future__ import annotations

import difflib
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from files import text
from files.convert import moment_of
from files.errors import SourceError
from files.fields import Kind
from files.zones import check_zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from files.fields import Fields


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """A map that fits the fields of one kind of message."""

    columns: Mapping[str, str] = field(default_factory=dict)
    scale: Mapping[str, Decimal] = field(default_factory=dict)
    const: Mapping[str, Any] = field(default_factory=dict)
    zone: str | None = None
    """Of timestamps that have none: an IANA name or an offset from UTC."""
    encoding: str | None = None
    """Of a text file without a byte order mark; None: UTF-8."""
    earliest: int | None = None
    """Epoch milliseconds before which a time is refused; None: as the program's settings say."""

    def sources(self, fields: Fields, available: Iterable[str], where: str) -> dict[str, str]:
        """Return the source column of each field that the file has; raises SourceError where one is missing.

        Missing is a column that the map names, and a required field that is neither mapped, nor constant, nor a column.
        """
        there = list(available)
        if not there:
            raise SourceError(f"{where}: expected rows with names of columns, but no row has any")
        sources = {name: name for name in fields.kinds if name in there} | dict(self.columns)
        for target, source in self.columns.items():
            if source not in there:
                raise SourceError(
                    f"{where}: expected a column {source!r} for {target}, as the map says, but the columns are "
                    f"{', '.join(there)}{_nearest(source, there)}"
                )
        for target in fields.required:
            if target not in sources and target not in self.const:
                raise SourceError(
                    f"{where}: expected a column {target} ({fields.kinds[target].value}), but the columns are "
                    f"{', '.join(there)}; rename the one that holds it, or map it (`upifraud replay --map`): "
                    f'{target} = "COLUMN"'
                )
        wanted = {target: source for target, source in sources.items() if target not in self.const}
        times_there = Counter(there)
        for target, source in wanted.items():
            if times_there[source] > 1:
                raise SourceError(
                    f"{where}: expected one column {source} for {target}, but {times_there[source]} columns have that "
                    "name; rename those that are not meant"
                )
        return wanted


def read_map(path: Path, fields: Fields) -> ColumnMap:
    """Read a map; raises SourceError that names what is wrong with it."""
    try:
        table = tomllib.loads(text.read(path))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SourceError(f"{path}: expected a TOML file that can be read, got: {error}") from None
    whole = {name: table.pop(name, None) for name in ("zone", "encoding", "earliest")}
    scale, const = table.pop("scale", {}), table.pop("const", {})
    for name, part in (("[scale]", scale), ("[const]", const)):
        if not isinstance(part, dict):
            raise SourceError(f"{path}: expected {name} to be a table, got {part!r}")
    for target in (*table, *scale, *const):
        if target not in fields.kinds:
            raise SourceError(
                f"{path}: expected fields of a {fields.what}, got {target!r}{_nearest(target, list(fields.kinds))}; "
                f"the fields are {', '.join(fields.kinds)}"
            )
    for target, source in table.items():
        if not isinstance(source, str):
            raise SourceError(f'{path}: expected {target} = "source column", got {source!r}')
        if target in const:
            raise SourceError(
                f"{path}: {target} has both a column and a constant: expected one of them, remove the other"
            )
    for target, factor in scale.items():
        if isinstance(factor, bool) or not isinstance(factor, int | float):
            raise SourceError(f"{path}: expected [scale] {target} to be a number, got {factor!r}")
        if fields.kinds[target] is Kind.TEXT:
            raise SourceError(f"{path}: [scale] {target}: expected a field with numbers, but {target} is text")
    return ColumnMap(
        columns=table,
        scale={target: Decimal(str(factor)) for target, factor in scale.items()},
        const=const,
        zone=_zone(whole["zone"], path),
        encoding=_encoding(whole["encoding"], path),
        earliest=_earliest(whole["earliest"], path),
    )


def _zone(value: Any, path: Path) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise SourceError(f'{path}: expected zone = "Asia/Kolkata" or another name in quotes, got {value!r}')
    try:
        return check_zone(value)
    except ValueError as error:
        raise SourceError(f"{path}: zone: {error}") from None


def _encoding(value: Any, path: Path) -> str | None:
    if value is None:
        return None
    try:
        "".encode(value)
    except (LookupError, TypeError, ValueError):
        raise SourceError(f'{path}: expected encoding = "cp1252" or another that Python knows, got {value!r}') from None
    return str(value).lower()


def _earliest(value: Any, path: Path) -> int | None:
    if value is None:
        return None
    moment = moment_of(value.isoformat() if isinstance(value, datetime) else value)
    if moment is None or moment < 0:
        raise SourceError(
            f"{path}: expected earliest as a time with an offset from 1970 on, as 2012-01-01T00:00:00+05:30, or epoch "
            f"milliseconds, got {value!r}"
        )
    return moment


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
