"""What a file of XML holds: messages as small trees, and what is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Element:
    """One element: its local name, its attributes and its children. Text between tags is not kept."""

    name: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)

    def all(self, name: str) -> Iterator[Element]:
        """Yield the children of a name, in order."""
        return (child for child in self.children if child.name == name)

    def first(self, name: str) -> Element:
        """Return the first child of a name; an empty one if there is none."""
        return next(self.all(name), Element(name, {}))

    def get(self, attribute: str) -> str | None:
        """Return an attribute without white space around it; None if it is not there or says nothing."""
        value = self.attributes.get(attribute, "").strip()
        return None if value in ("", "NA", "null") else value


class Message(NamedTuple):
    """A ReqPay or a RespPay, and the line of its file where it begins."""

    line: int
    root: Element


class Refused(NamedTuple):
    """A place in a file of which no payment can be made; the detail never holds what was there."""

    line: int
    reason: str
    detail: str


class Passed(NamedTuple):
    """A whole document of another kind, as ReqHbt."""

    line: int
    name: str
