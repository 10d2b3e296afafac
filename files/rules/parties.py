"""Parties of any text: a VPA that is valid, the same over all files, and of two texts never the same one.

White space at the ends is left out and inside it is one blank; capitals are small letters. What a VPA cannot have, and
the `%` that stands for it, is percent-encoded. A name that is too long keeps its beginning and gets a hash of the
whole, behind `%~`, which no encoded name has.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from files.rules.rule import Unfit, each, text_of

if TYPE_CHECKING:
    from files.rules.rule import Faults, Rows, Values

_LONGEST: Final = 255
_HASH_BYTES: Final = 16
_ORDINARY: Final = re.compile(r"[!-$&-?\[-~A-Z]+")
"""Of ASCII all but the white space, `%` and `@`."""
_NEVER: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})
HANDLE: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
EXPECTED: Final = "a name or a number"


@dataclass(frozen=True, slots=True)
class Party:
    """A party of any text, with a handle appended."""

    column: str
    handle: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The column with the text."""
        return (self.column,)

    def make(self, target: str, rows: Rows, faults: Faults) -> Values:
        """Return VPAs."""
        end = f"@{self.handle}"

        def convert(value: Any) -> str | None:
            if isinstance(value, str) and _ORDINARY.fullmatch(value) and len(value) + len(end) <= _LONGEST:
                return value.lower() + end
            if value is None or value == "":
                return None
            if isinstance(value, dict | list):
                raise Unfit("wrong-type", EXPECTED)
            name = _encoded(text_of(value), _LONGEST - len(end))
            return name + end if name else None

        return each(target, self.column, convert, rows.columns[0], faults)


@lru_cache(maxsize=1 << 16)
def _encoded(text: str, longest: int) -> str:
    folded = " ".join(text.lower().split())
    name = "".join(one if _may_stand(one) else _percent(one) for one in folded)
    if len(name) <= longest:
        return name
    tail = "%~" + blake2b(name.encode(), digest_size=_HASH_BYTES).hexdigest()
    return name[: longest - len(tail)] + tail


def _may_stand(one: str) -> bool:
    return one not in "%@" and not one.isspace() and unicodedata.category(one) not in _NEVER


def _percent(one: str) -> str:
    return "".join(f"%{byte:02x}" for byte in one.encode("utf-8", "surrogatepass"))
