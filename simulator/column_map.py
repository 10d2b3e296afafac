"""Column maps: which column of somebody else's file is which field, in which unit, and what is the same in every row.

A map is TOML: `target = "source column"`, a table `[scale]` with a factor per target, and a table `[const]` with a
value per target. A field that it does not name is taken from the column of the field's own name, if there is one.
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from simulator.errors import SourceError
from simulator.fields import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from simulator.fields import Fields


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """A map that fits the fields of one kind of message."""

    columns: Mapping[str, str] = field(default_factory=dict)
    scale: Mapping[str, Decimal] = field(default_factory=dict)
    const: Mapping[str, Any] = field(default_factory=dict)

    def sources(self, fields: Fields, available: Iterable[str], where: str) -> dict[str, str]:
        """Return the source column of each field that the file has; raises SourceError where one is missing.

        Missing is a column that the map names, and a required field that is neither mapped, nor constant, nor a column.
        """
        there = list(available)
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
                    f'{", ".join(there)}; name the one that holds it with --map: a TOML file with {target} = "COLUMN"'
                )
        return {target: source for target, source in sources.items() if target not in self.const}


def read_map(path: Path, fields: Fields) -> ColumnMap:
    """Read a map; raises SourceError that names what is wrong with it."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SourceError(f"{path}: expected a TOML file that can be read, got: {error}") from None
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
    return ColumnMap(table, {target: Decimal(str(factor)) for target, factor in scale.items()}, const)


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
