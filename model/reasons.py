"""Why a payment got its score, strongest first, in a form a case worker can act on."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from features.compiled import njit, row_dtype
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

    which: NDArray[np.int32]
    """Index into `Explainer.words`; -1 where a payment has fewer."""
    contribution: NDArray[np.float64]
    """0 where a payment has fewer."""


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
        self._compared = _compared(self._features)

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

    def shares_of_all(
        self,
        vectors: NDArray[np.float32],
        contributions: NDArray[np.float64],
        limit: int,
        rows: NDArray[np.intp] | None = None,
    ) -> Shares:
        """Return of n payments, or of some of their rows, what `shares` would of each, at a hundredth of the cost.

        vectors: float32 [n, features]; contributions: [n, features].
        """
        rows = np.arange(len(vectors)) if rows is None else rows
        shares = Shares(np.full((len(rows), limit), -1, dtype=np.int32), np.zeros((len(rows), limit)))
        if limit:
            _find_shares(np.ascontiguousarray(vectors), contributions, rows, self._compared, *shares)
        return shares

    def strongest_codes(
        self,
        vectors: NDArray[np.float32],
        contributions: NDArray[np.float64],
        rows: NDArray[np.intp] | None = None,
    ) -> Counter[str]:
        """Return how many of n payments have each code as that of their first reason, if anything speaks for fraud.

        Arguments are those of `shares_of_all`.
        """
        which = self.shares_of_all(vectors, contributions, 1, rows).which.ravel().tolist()
        return Counter(self.words[at][1] for at in which if at >= 0)

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


_COMPARED = row_dtype([("pivot", "f8"), ("median", "f8"), ("seconds", "f8"), ("over", "i4"), ("under", "i4")])
"""What a feature's value is compared with: its pivot, NaN for what is usual; else `Own`, -1 where no vector tells, or
the median. Where `seconds` is NaN, `over` is divided by `under`."""


def _compared(features: Sequence[_Feature]) -> NDArray[np.record]:
    compared = np.zeros(len(features), dtype=_COMPARED)
    for at, feature in enumerate(features):
        own, pivot = feature.own, feature.wording.pivot
        compared[at] = (
            math.nan if pivot is None else pivot,
            feature.median,
            math.nan if own is None or own.seconds is None else own.seconds,
            -1 if own is None else own.over,
            -1 if own is None or own.under is None else own.under,
        )
    return compared


@njit()
def _find_shares(vectors, contributions, rows, compared, which, shares):  # type: ignore[no-untyped-def]
    """Set the strongest contributions above 0 of each row, equal ones in vector order, and their words.

    which, shares: [len(rows), k], -1 and 0 before. Features come one after the other, since their columns are
    contiguous.
    """
    last = which.shape[1] - 1
    for feature in range(contributions.shape[1]):
        column = contributions[:, feature]
        for row in range(len(rows)):
            share = column[rows[row]]
            if share > shares[row, last]:
                at = last
                while at > 0 and share > shares[row, at - 1]:
                    shares[row, at] = shares[row, at - 1]
                    which[row, at] = which[row, at - 1]
                    at -= 1
                shares[row, at] = share
                which[row, at] = feature
    for row in range(len(rows)):
        for at in range(last + 1):
            if which[row, at] >= 0:
                which[row, at] = 3 * which[row, at] + _side_of(vectors[rows[row]], which[row, at], compared)


@njit(inner=True)
def _side_of(vector, feature, compared):  # type: ignore[no-untyped-def]
    """Return 0, 1 or 2 for high, low and missing, by the same arithmetic as `Own.of`."""
    value = np.float64(vector[feature])
    against = compared[feature]
    if value != value:
        return 2
    pivot = against.pivot
    if pivot != pivot:
        pivot = against.median
        if against.over >= 0:
            over = np.float64(vector[against.over])
            under = np.nan if against.under < 0 else np.float64(vector[against.under])
            own = np.nan
            if against.seconds != against.seconds:
                if under > 0:
                    own = over / under
            else:
                known = LONGEST_SECONDS if under != under else under
                if not known < against.seconds:
                    own = over * against.seconds / min(LONGEST_SECONDS, known)
            if own == own:
                pivot = own
    return 1 if value <= pivot else 0


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
