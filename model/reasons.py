"""Why a payment got its score, strongest first, in a form a case worker can act on."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from features.wording import wording
from features.words.usual import own_usual

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from features.words.sides import Side, Wording
    from features.words.usual import Own


@dataclass(frozen=True, slots=True)
class Reason:
    """One feature's share in a score."""

    feature: str
    code: str
    """Stable: programs may act on it."""
    value: float | None
    """The feature's value; None where it is missing."""
    usual: float | None
    """What is usual for the payer, payee or device, else the median of genuine payments; None where unknown."""
    contribution: float
    """Exact Shapley value in log-odds; positive towards fraud."""
    text: str
    """One sentence."""


@dataclass(frozen=True, slots=True)
class Share:
    """A reason in a program's words alone."""

    feature: str
    code: str
    contribution: float


class Explained(Protocol):
    """What an artifact says of its features."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names in vector order."""

    @property
    def usual(self) -> tuple[float | None, ...]:
        """Median of genuine payments for each feature."""


@dataclass(frozen=True, slots=True)
class _Feature:
    name: str
    wording: Wording
    median: float
    whose: str
    own: Own | None


class Explainer:
    """Turns contributions into reasons; works for any feature names, and better for those it knows."""

    def __init__(self, artifact: Explained) -> None:
        self._features = []
        for name, median in zip(artifact.feature_names, artifact.usual, strict=True):
            whose, own = own_usual(name, artifact.feature_names) or ("", None)
            self._features.append(_Feature(name, wording(name), math.nan if median is None else median, whose, own))

    def reasons(
        self, vector: NDArray[np.float32], contributions: NDArray[np.float64], limit: int | None = None
    ) -> tuple[Reason, ...]:
        """Return the reasons of one payment, strongest towards fraud first, ties in vector order.

        vector: float32 [features]; contributions: [features]. With a limit, at most so many, and only features that
        speak for fraud; without, all features, those that speak against it last.
        """
        values, shares = vector.tolist(), contributions.tolist()
        return tuple(self._reason(at, values, shares[at]) for at in _strongest(contributions, shares, limit))

    def shares(
        self, vector: NDArray[np.float32], contributions: NDArray[np.float64], limit: int | None = None
    ) -> tuple[Share, ...]:
        """Return what `reasons` would, without values and sentences, at half the cost."""
        values, shares = vector.tolist(), contributions.tolist()
        return tuple(self._share(at, values, shares[at]) for at in _strongest(contributions, shares, limit))

    def strongest_codes(self, vectors: NDArray[np.float32], contributions: NDArray[np.float64]) -> dict[str, int]:
        """Return how many of n payments have each code as that of their first reason, if anything speaks for fraud.

        vectors: float32 [n, features]; contributions: [n, features].
        """
        strongest = contributions.argmax(axis=1)
        speaks = contributions[np.arange(len(contributions)), strongest] > 0
        found = zip(strongest[speaks].tolist(), vectors[speaks].tolist(), strict=True)
        return Counter(
            _side(self._features[at].wording, values[at], self._usual(at, values)[0]).code for at, values in found
        )

    def _usual(self, at: int, values: Sequence[float]) -> tuple[float, str]:
        """Return what the feature's value is compared with, and whose it is; nobody's where it is the median."""
        feature = self._features[at]
        own = math.nan if feature.own is None else feature.own(values)
        return (feature.median, "") if math.isnan(own) else (own, feature.whose)

    def _share(self, at: int, values: Sequence[float], contribution: float) -> Share:
        feature = self._features[at]
        return Share(feature.name, _side(feature.wording, values[at], self._usual(at, values)[0]).code, contribution)

    def _reason(self, at: int, values: Sequence[float], contribution: float) -> Reason:
        feature = self._features[at]
        value = values[at]
        usual, whose = self._usual(at, values)
        side = _side(feature.wording, value, usual)
        return Reason(
            feature=feature.name,
            code=side.code,
            value=None if math.isnan(value) else value,
            usual=None if math.isnan(usual) else usual,
            contribution=contribution,
            text=_sentence(feature.wording, side, value, usual, whose),
        )


def _strongest(contributions: NDArray[np.float64], shares: Sequence[float], limit: int | None) -> list[int]:
    order: list[int] = np.argsort(-contributions, kind="stable")[:limit].tolist()
    return order if limit is None else [at for at in order if shares[at] > 0]


def _side(wording: Wording, value: float, usual: float) -> Side:
    if math.isnan(value):
        return wording.missing
    pivot = wording.pivot if wording.pivot is not None else usual
    return wording.low if value <= pivot else wording.high


def _sentence(wording: Wording, side: Side, value: float, usual: float, whose: str) -> str:
    if side is wording.missing:
        return f"{side.text}."
    text = side.text.replace("{value}", wording.form(value))
    if not wording.compared or math.isnan(usual):
        return f"{text}."
    return f"{text}; usual for {f'this {whose}' if whose else 'genuine payments'} is {wording.form(usual)}."
