"""Column maps: which column of somebody else's file is which field, how it is written, and what no column says.

A map is TOML. `target = "column"`, or `target = { ... }` where more is to be said of it (`files.rules`), tables
`[scale]` and `[const]` with a factor or a value per target. A field that it does not name is taken from the column of
the field's own name, if there is one. `zone`, `encoding`, `separator` and `earliest` are true of the whole file.
docs/specs/map.md has an example of each.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from files.convert import moment_of
from files.errors import SourceError
from files.fields import Kind
from files.formats import text
from files.rules.plain import Plain
from files.rules.reading import Target, nearest, rule_of
from files.rules.times import After, Written
from files.zones import check_zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from files.fields import Fields
    from files.rules.rule import Rule

_WHOLE: Final = ("zone", "encoding", "separator", "earliest")
_ELSE: Final = {
    "transaction_id": ', or where there is none transaction_id = { row_number = "ROW-" }',
    "reported_at": ', or where there is none reported_at = { after = "event_time", delay = "7d" }',
}
"""What a map can say where a file has no such column."""


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """A map that fits the fields of one or more kinds of message."""

    columns: Mapping[str, str] = field(default_factory=dict)
    scale: Mapping[str, Decimal] = field(default_factory=dict)
    const: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    """Targets that need more than a column's name."""
    zone: str | None = None
    """Of times that have none: an IANA name or an offset from UTC."""
    encoding: str | None = None
    """Of a text file without a byte order mark; None: UTF-8."""
    separator: str | None = None
    """Of CSV; None: found."""
    earliest: int | None = None
    """Epoch milliseconds before which a time is refused; None: as the program's settings say."""

    @property
    def has_outcomes(self) -> bool:
        """Whether it says where outcomes are: in the same rows as the payments."""
        return "outcome" in self.columns or "outcome" in self.rules or "outcome" in self.const

    def says_of(self, fields: Fields) -> bool:
        """Say whether it says something of one of these fields."""
        return any(
            target in fields.kinds for part in (self.columns, self.scale, self.const, self.rules) for target in part
        )

    def rules_of(
        self, fields: Fields, available: Iterable[str], where: str, zone: str | None, format_: str
    ) -> dict[str, Rule]:
        """Return what makes each field of a message that the file has; raises SourceError where a column is missing.

        Missing is a column that the map names, and a required field that is neither mapped, nor constant, nor a column.
        """
        there = list(available)
        if not there:
            raise SourceError(f"{where}: expected rows with names of columns, but no row has any")
        rules: dict[str, Rule] = {}
        for target, kind in fields.kinds.items():
            if target in self.const:
                continue
            rule = self.rules.get(target) or self._plain(target, there)
            if rule is not None:
                rules[target] = self._completed(rule, target, kind, fields, zone, format_)
        for target, rule in rules.items():
            for column in rule.columns:
                _check_column(target, column, there, where, named=target in self.columns or target in self.rules)
        for target in fields.required:
            if target not in rules and target not in self.const:
                raise SourceError(
                    f"{where}: expected a column {target} ({fields.kinds[target].value}), but the columns are "
                    f"{', '.join(there)}; rename the one that holds it, or name it in a map (--map): "
                    f'{target} = "COLUMN"{_ELSE.get(target, "")}'
                )
        return rules

    def _plain(self, target: str, there: list[str]) -> Plain | None:
        if target in self.columns:
            return Plain(self.columns[target])
        return Plain(target) if target in there else None

    def _completed(self, rule: Rule, target: str, kind: Kind, fields: Fields, zone: str | None, format_: str) -> Rule:
        """Return a rule that knows what is true of the whole file."""
        if isinstance(rule, Plain):
            factor, optional = self.scale.get(target), target not in fields.required
            return replace(rule, kind=kind, factor=factor, format=format_, zone=zone, optional=optional)
        if isinstance(rule, Written):
            return replace(rule, zone=zone)
        if isinstance(rule, After):
            other = self._completed(rule.rule, rule.target, Kind.TIME, fields, zone, format_)
            return replace(rule, rule=other)
        return rule


def _check_column(target: str, column: str, there: list[str], where: str, *, named: bool) -> None:
    found = Counter(there)[column]
    if not found:
        said = ", as the map says" if named else ""
        raise SourceError(
            f"{where}: expected a column {column!r} for {target}{said}, but the columns are "
            f"{', '.join(there)}{nearest(column, there)}"
        )
    if found > 1:
        raise SourceError(
            f"{where}: expected one column {column} for {target}, but {found} columns have that name; rename those "
            "that are not meant"
        )


def read_map(path: Path, *fields: Fields) -> ColumnMap:
    """Read a map for these kinds of message together; raises SourceError that names what is wrong with it."""
    try:
        table = tomllib.loads(text.read(path))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SourceError(f"{path}: expected a TOML file that can be read, got: {error}") from None
    return map_of(table, str(path), *fields)


def map_of(table: dict[str, Any], where: str, *fields: Fields) -> ColumnMap:
    """Return what a map says that is read already; `where` is what errors call it."""
    table = dict(table)
    whole = {key: table.pop(key, None) for key in _WHOLE}
    kinds = {name: kind for one in fields for name, kind in one.kinds.items()}
    what = " or ".join(one.what for one in fields)
    scale, const = table.pop("scale", {}), table.pop("const", {})
    for name, part in (("[scale]", scale), ("[const]", const)):
        if not isinstance(part, dict):
            raise SourceError(f"{where}: expected {name} to be a table, got {part!r}")
    for target in (*table, *scale, *const):
        if target not in kinds:
            raise SourceError(
                f"{where}: expected fields of a {what}, got {target!r}{nearest(target, [*kinds, *_WHOLE])}; the fields "
                f"are {', '.join(kinds)}"
            )
    columns: dict[str, str] = {}
    rules: dict[str, Rule] = {}
    for target, said in table.items():
        if target in const:
            raise SourceError(
                f"{where}: {target} has both a column and a constant: expected one of them, remove the other"
            )
        written = Target(where, target, kinds[target], table, kinds)
        if isinstance(said, str):
            columns[target] = said
        elif isinstance(said, dict):
            rules[target] = rule_of(written, said)
        else:
            raise SourceError(f'{where}: expected {target} = "source column", or {written.suiting()}; got {said!r}')
    _check_scale(scale, rules, kinds, where)
    return ColumnMap(
        columns=columns | {target: rule.column for target, rule in rules.items() if isinstance(rule, Plain)},
        scale={target: Decimal(str(factor)) for target, factor in scale.items()},
        const=const,
        rules={target: rule for target, rule in rules.items() if not isinstance(rule, Plain)},
        zone=_zone(whole["zone"], where),
        encoding=_encoding(whole["encoding"], where),
        separator=_separator(whole["separator"], where),
        earliest=_earliest(whole["earliest"], where),
    )


def _check_scale(scale: Mapping[str, Any], rules: Mapping[str, Rule], kinds: Mapping[str, Kind], where: str) -> None:
    for target, factor in scale.items():
        if isinstance(factor, bool) or not isinstance(factor, int | float):
            raise SourceError(f"{where}: expected [scale] {target} to be a number, got {factor!r}")
        if kinds[target] is Kind.TEXT:
            raise SourceError(f"{where}: [scale] {target}: expected a field with numbers, but {target} is text")
        if target in rules and not isinstance(rules[target], Plain):
            raise SourceError(
                f"{where}: [scale] {target}: expected a target that is a column by its name, but {target} = {{ ... }} "
                "says its unit or step itself; remove the factor"
            )


def _zone(value: Any, where: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise SourceError(f'{where}: expected zone = "Asia/Kolkata" or another name in quotes, got {value!r}')
    try:
        return check_zone(value)
    except ValueError as error:
        raise SourceError(f"{where}: zone: {error}") from None


def _encoding(value: Any, where: str) -> str | None:
    if value is None:
        return None
    try:
        "".encode(value)
    except (LookupError, TypeError, ValueError):
        raise SourceError(
            f'{where}: expected encoding = "cp1252" or another that Python knows, got {value!r}'
        ) from None
    return str(value).lower()


def _separator(value: Any, where: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) != 1 or value in '"\r\n' or (not value.isprintable() and value != "\t"):
        raise SourceError(
            f'{where}: expected separator = ";" or another single character, "\\t" for a tab; got {value!r}'
        )
    return value


def _earliest(value: Any, where: str) -> int | None:
    if value is None:
        return None
    moment = moment_of(value.isoformat() if isinstance(value, datetime) else value)
    if moment is None or moment < 0:
        raise SourceError(
            f"{where}: expected earliest as a time with an offset from 1970 on, as 2012-01-01T00:00:00+05:30, or epoch "
            f"milliseconds, got {value!r}"
        )
    return moment
