"""What a feature is: an aggregation of an entity over a window, or plain, with lines of its own in the kernel."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from features.windows import WINDOWS

if TYPE_CHECKING:
    from features.entities import Kind
    from features.words.sides import Wording


class Aggregation(IntEnum):
    """What is measured over the payments of a window, the payment itself included."""

    COUNT = 0
    SUM = 1
    MEAN = 2
    STD = 3
    MAX = 4
    DISTINCT = 5


@dataclass(frozen=True, slots=True)
class Feature:
    """One entry of the vector: either windowed (entity, aggregation, window) or plain."""

    name: str
    meaning: str
    entity: Kind | None = None
    aggregation: Aggregation | None = None
    window: str | None = None
    words: Wording | None = None
    """Of a plain feature; those of a windowed one follow from its parts (features/words/windowed.py)."""
    owner: Kind | None = None
    """Whose logs and reports it is measured over, all of them that entity's; None: the payment alone tells it."""


_MEANING: Final = {
    Aggregation.COUNT: "payments of the {entity} in the last {window}",
    Aggregation.SUM: "paise moved by the {entity} in the last {window}",
    Aggregation.MEAN: "mean paise of the {entity}'s payments in the last {window}",
    Aggregation.STD: "standard deviation, n in the denominator, of the {entity}'s paise in the last {window}",
    Aggregation.MAX: "largest payment of the {entity} in the last {window}, in paise",
    Aggregation.DISTINCT: "different {other}s of the {entity} in the last {window}",
}


def windowed(entity: Kind, aggregation: Aggregation, *windows: str) -> tuple[Feature, ...]:
    """Declare one aggregation of an entity over the named windows; over all of them if none is named."""
    who, other = entity.name, entity.counterparty
    what = aggregation.name.lower() + (f"_{other}" if aggregation is Aggregation.DISTINCT else "")
    return tuple(
        Feature(
            name=f"{who}_{what}_{window}",
            meaning=_MEANING[aggregation].format(entity=who, other=other, window=window),
            entity=entity,
            aggregation=aggregation,
            window=window,
            owner=entity,
        )
        for window in windows or WINDOWS
    )


def plain(name: str, meaning: str, words: Wording, owner: Kind | None = None) -> Feature:
    """Declare a feature that the kernel computes by its own lines, under its name (features/measure/plain.py).

    owner: the entity whose logs it reads, in whatever part it plays there: what a payer received is the payer's.
    """
    return Feature(name=name, meaning=meaning, words=words, owner=owner)
