"""Which column is meant for a field: by what its name says, and whether its values could be that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from upifraud.proposal.names import Spoken
    from upifraud.proposal.sample import Column, Sample

SURE: Final = 0.3
"""From this worth on a name is evidence."""


@dataclass(frozen=True)
class Candidate:
    """A column that may be a field."""

    column: Column
    worth: float
    """Of its name, from 0 to 1."""


def candidates(sample: Sample, spoken: Spoken, used: Iterable[str], chosen: str | None) -> list[Candidate]:
    """Return the columns that are not used yet, the surest name first; of a chosen column only that."""
    taken = set(used)
    if chosen is not None:
        return [Candidate(sample[chosen], 1.0)] if chosen in sample.columns else []
    made = [
        Candidate(column, spoken.worth(column.words))
        for column in sample
        if column.name not in taken and not column.empty
    ]
    return sorted(made, key=lambda one: -one.worth)


def quoted(name: str) -> str:
    """Return a column's name as a reason writes it."""
    return f'"{name}"' if name else 'the column without a name ("")'


def listed(names: Iterable[str]) -> str:
    """Return names as a reason lists them."""
    several = [quoted(name) for name in names]
    return " and ".join(filter(None, [", ".join(several[:-1]), several[-1]])) if several else "nothing"
