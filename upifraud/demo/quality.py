"""Quality: how good verdicts were, against the switch's truth."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from upifraud.demo.traffic import Fraud


FLAGS: Final = ("REVIEW", "HOLD", "BLOCK")
"""The verdicts that stand in the way of a payment, the strictest last."""


@dataclass(frozen=True, slots=True)
class Part:
    """So many of so many."""

    hits: int = 0
    of: int = 0

    @property
    def share(self) -> float | None:
        """None of nothing."""
        return self.hits / self.of if self.of else None


@dataclass(frozen=True, slots=True)
class Quality:
    """Precision and recall of every verdict together with the stricter ones, and recall by typology."""

    precision: Mapping[str, Part] = field(default_factory=dict)
    recall: Mapping[str, Part] = field(default_factory=dict)
    typologies: Mapping[str, Part] = field(default_factory=dict)
    """How many frauds got REVIEW or stricter, by typology; the most frequent first."""

    def precision_at(self, flag: str, fraud_rate: float, real_rate: float) -> float | None:
        """Return the precision with frauds as rare as `real_rate`, given that here they were `fraud_rate`.

        The same shares of frauds and of honest payments are flagged; only how many there are of each changes.
        """
        part = self.precision[flag]
        weight = (real_rate / (1 - real_rate)) / (fraud_rate / (1 - fraud_rate))
        weighed = part.hits * weight + (part.of - part.hits)
        return part.hits * weight / weighed if weighed else None


def quality_of(frauds: Mapping[str, Fraud], flagged: Mapping[str, str], judged: int) -> Quality:
    """Return the quality of what was flagged (verdict by transaction_id) among the first `judged` payments.

    A fraud that has not been judged yet is not missed yet; one that was flagged has been judged, in whatever order.
    """
    known = {name: fraud for name, fraud in frauds.items() if fraud.number < judged or name in flagged}
    precision, recall = {}, {}
    for rank, flag in enumerate(FLAGS):
        stricter = [name for name, verdict in flagged.items() if verdict in FLAGS[rank:]]
        hits = sum(name in known for name in stricter)
        precision[flag] = Part(hits, len(stricter))
        recall[flag] = Part(hits, len(known))
    all_of = Counter(fraud.typology for fraud in known.values())
    hits_of = Counter(fraud.typology for name, fraud in known.items() if name in flagged)
    typologies = {name: Part(hits_of[name], count) for name, count in all_of.most_common()}
    return Quality(precision, recall, typologies)
