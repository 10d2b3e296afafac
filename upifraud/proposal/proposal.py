"""A proposed map: its lines with their reasons, what is still to be chosen, and what is worth knowing of the file."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime

Toml: TypeAlias = "str | int | float | bool | datetime | list[Toml] | dict[str, Toml]"

SAID: Final = "as you said"
"""The reason of what a person has chosen."""

OPEN: Final = "?"
"""Stands in a map for what a person must choose."""

WHOLE: Final = ("zone", "encoding", "separator", "earliest")
"""What is true of the whole file and not of one field."""


@dataclass(frozen=True)
class Option:
    """One answer to a question."""

    value: Toml
    meaning: str


@dataclass(frozen=True)
class Question:
    """What the values cannot decide."""

    target: str
    key: str | None
    """Of the line's inline table; None where the whole line is to be chosen."""
    why: str
    options: tuple[Option, ...]
    """The likelier first, if any is; none where only the person knows."""


@dataclass(frozen=True)
class Line:
    """One line of a map."""

    value: Toml
    reason: str


@dataclass
class Proposal:
    """A map in the making, and as it is handed out."""

    lines: dict[str, Line] = field(default_factory=dict)
    """By target, those of the whole file too."""
    scale: dict[str, Line] = field(default_factory=dict)
    const: dict[str, Line] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    """Columns that some line reads."""

    def take(self, target: str, value: Toml, reason: str, *columns: str) -> None:
        """Write a line that reads these columns."""
        self.lines[target] = Line(value, reason)
        self.used |= set(columns)

    def ask(self, target: str, key: str | None, why: str, *options: Option) -> None:
        """Leave something open: `?` stands in its place."""
        self.questions.append(Question(target, key, why, options))
        if key is None:
            self.lines[target] = Line(OPEN, why)
            return
        line = self.lines[target]
        self.lines[target] = Line({**_inline(line.value), key: OPEN}, line.reason)

    def choose(self, chosen: dict[str, Toml]) -> None:
        """Put a person's choices in the place of what was proposed; what they answer is no question any more."""
        for section, lines in (("scale", self.scale), ("const", self.const)):
            part = chosen.get(section)
            if isinstance(part, dict):
                for target, value in part.items():
                    lines[target] = Line(value, SAID)
                    self.lines.pop(target, None)
        for target, value in chosen.items():
            if target in {"scale", "const"}:
                continue
            line = self.lines.get(target)
            if isinstance(value, dict) and line is not None and line.value != OPEN:
                self.lines[target] = Line({**_inline(line.value), **value}, SAID)
            else:
                self.lines[target] = Line(value, SAID)
        self.questions = [question for question in self.questions if self._is_open(question)]

    def set_delay(self, delay: str) -> None:
        """Put a delay in the place of the proposed one, if the map makes up when frauds were reported."""
        line = self.lines.get("reported_at")
        if line is not None and isinstance(line.value, dict) and "delay" in line.value and line.reason != SAID:
            self.lines["reported_at"] = Line({**line.value, "delay": delay}, line.reason)

    def tables(self) -> dict[str, Toml]:
        """Return the map as TOML has it, open places included."""
        tables: dict[str, Toml] = {name: self.lines[name].value for name in WHOLE if name in self.lines}
        tables |= {target: line.value for target, line in self.lines.items() if target not in WHOLE}
        for name, lines in (("scale", self.scale), ("const", self.const)):
            if lines:
                tables[name] = {target: line.value for target, line in lines.items()}
        return tables

    def assumed(self) -> dict[str, Toml]:
        """Return the map as if the first option of each question were chosen; lines without any option are left out.

        It is good for showing what rows would become, and for nothing else.
        """
        tables = deepcopy(self.tables())
        for question in self.questions:
            value = question.options[0].value if question.options else None
            if question.key is None:
                if value is None:
                    tables.pop(question.target, None)
                else:
                    tables[question.target] = value
            elif isinstance(line := tables.get(question.target), dict):
                if value is None:
                    del line[question.key]
                else:
                    line[question.key] = value
        return tables

    def _is_open(self, question: Question) -> bool:
        line = self.lines.get(question.target)
        if line is None:
            return False
        if question.key is None:
            return line.value == OPEN
        return isinstance(line.value, dict) and line.value.get(question.key) == OPEN


def _inline(value: Toml) -> dict[str, Toml]:
    """Return a line as an inline table: `"x"` is `{ column = "x" }`."""
    return dict(value) if isinstance(value, dict) else {"column": value}
