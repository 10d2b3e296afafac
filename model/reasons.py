"""Why a payment got its score, strongest first, in a form a case worker can act on."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

import numpy as np

from features.wording import wording
from features.words.usual import LONGEST_SECONDS, own_usual

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


class Shares(NamedTuple):
    """The strongest shares of many payments in a program's words, strongest first; columns of shape [n, k]."""

    which: NDArray[np.intp]
    """Index into `Explainer.words`; -1 where a payment has fewer."""
    contribution: NDArray[np.float64]


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
        self.words = [
            (feature.name, side.code)
            for feature in self._features
            for side in (feature.wording.high, feature.wording.low, feature.wording.missing)
        ]
        """Feature and code of every side, three a feature: high, low, missing."""
        self._compared = _Compared.of(self._features)

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

    def shares_of_all(self, vectors: NDArray[np.float32], contributions: NDArray[np.float64], limit: int) -> Shares:
        """Return of n payments what `shares` would of each, at a tenth of the cost.

        vectors: float32 [n, features]; contributions: [n, features].
        """
        rows, left = np.arange(len(contributions)), contributions.copy()
        features = np.empty((len(left), min(limit, left.shape[1])), dtype=np.intp)
        for place in range(features.shape[1]):
            features[:, place] = left.argmax(axis=1)  # the first of equal ones, as in a stable sort
            left[rows, features[:, place]] = -np.inf
        shares = contributions[rows[:, None], features]
        which = 3 * features + self._compared.sides(vectors, features)
        which[~(shares > 0)] = -1
        return Shares(which, shares)

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
        own = math.nan if feature.own is None else feature.own.of(values)
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


@dataclass(frozen=True, slots=True)
class _Compared:
    """What each feature's value is compared with, as columns [features], so that many are compared at once."""

    pivot: NDArray[np.float64]
    """NaN: with what is usual."""
    median: NDArray[np.float64]
    over: NDArray[np.intp]
    """`Own.over`; -1 where no vector tells."""
    under: NDArray[np.intp]
    seconds: NDArray[np.float64]
    """NaN: `over` is divided by `under`."""

    @classmethod
    def of(cls, features: Sequence[_Feature]) -> Self:
        owns = [feature.own for feature in features]
        pivots = [feature.wording.pivot for feature in features]
        return cls(
            pivot=np.array([math.nan if pivot is None else pivot for pivot in pivots], dtype=np.float64),
            median=np.array([feature.median for feature in features], dtype=np.float64),
            over=np.array([-1 if own is None else own.over for own in owns], dtype=np.intp),
            under=np.array([-1 if own is None or own.under is None else own.under for own in owns], dtype=np.intp),
            seconds=np.array([math.nan if own is None or own.seconds is None else own.seconds for own in owns]),
        )

    def sides(self, vectors: NDArray[np.float32], features: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return 0, 1 or 2 for high, low and missing, intp [n, k], of the given features of n payments."""
        rows = np.arange(len(vectors))[:, None]
        value = vectors[rows, features].astype(np.float64)
        pivot = self.pivot[features]
        asked = np.isnan(pivot)
        if asked.any():
            pivot = np.where(asked, self._usual(vectors, rows, features), pivot)
        return np.where(np.isnan(value), 2, np.where(value <= pivot, 1, 0))

    def _usual(
        self, vectors: NDArray[np.float32], rows: NDArray[np.intp], features: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return what `Explainer` compares a value with, by the same arithmetic as `Own.of`."""
        over_at, under_at, seconds = self.over[features], self.under[features], self.seconds[features]
        over = vectors[rows, over_at].astype(np.float64)
        under = np.where(under_at < 0, math.nan, vectors[rows, under_at].astype(np.float64))
        known = np.where(np.isnan(under), LONGEST_SECONDS, under)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = np.where(under > 0, over / under, math.nan)
            rate = np.where(known < seconds, math.nan, over * seconds / np.minimum(LONGEST_SECONDS, known))
        own = np.where(over_at < 0, math.nan, np.where(np.isnan(seconds), ratio, rate))
        return np.where(np.isnan(own), self.median[features], own)


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
