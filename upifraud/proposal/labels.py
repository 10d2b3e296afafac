"""What became of payments, as files write it: which values mean fraud, and which genuine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from upifraud.proposal.sample import Column

# Pairs that are known: fraud, genuine. A column with one of them alone is understood too.
_PAIRS: Final = (
    ({"1", "1.0"}, {"0", "0.0"}),
    ({"true", "t"}, {"false", "f"}),
    ({"yes", "y", "ja", "j"}, {"no", "n", "nein"}),
    (
        {
            "fraud",
            "fraudulent",
            "frauds",
            "scam",
            "suspicious fraud",
            "confirmed fraud",
            "betrug",
            "chargeback",
            "illicit",
            "bad",
        },
        {
            "genuine",
            "legit",
            "legitimate",
            "normal",
            "not fraud",
            "non fraud",
            "nonfraud",
            "no fraud",
            "non-fraud",
            "not fraudulent",
            "valid",
            "ok",
            "licit",
            "good",
            "safe",
            "real",
            "authentic",
            "clean",
            "ham",
        },
    ),
)
_MOST_WORDS: Final = 6


@dataclass(frozen=True)
class Words:
    """Values that mean fraud, and values that mean genuine, as the file has them."""

    fraud: tuple[str, ...]
    genuine: tuple[str, ...]
    others: tuple[str, ...]
    """Values that no pair knows."""
    in_words: bool
    """Whether the values speak for themselves, whatever the column's name says."""

    @property
    def known(self) -> bool:
        """Whether something means fraud or genuine, and nothing means what is not known."""
        return bool(self.fraud or self.genuine) and not self.others


def words_of_outcome(column: Column, *, about_genuine: bool = False) -> Words | None:
    """Return what a column's values mean; None where they are too many to be two words.

    about_genuine: the column's name says genuine, not fraud, so yes means genuine.
    """
    if column.empty or len(column.counts) > _MOST_WORDS:
        return None
    values = list(column.counts)
    for number, (bad, good) in enumerate(_PAIRS):
        if about_genuine and number < len(_PAIRS) - 1:
            bad, good = good, bad
        fraud = tuple(value for value in values if _folded(value) in bad)
        genuine = tuple(value for value in values if _folded(value) in good)
        if fraud or genuine:
            others = tuple(value for value in values if value not in {*fraud, *genuine})
            fraud, genuine = _filled(fraud, genuine, bad, good)
            return Words(fraud, genuine, others, in_words=number == len(_PAIRS) - 1)
    return Words((), (), tuple(values), in_words=False)


def _filled(
    fraud: tuple[str, ...], genuine: tuple[str, ...], bad: set[str], good: set[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return both sides, the one that the sample lacks by the word that belongs to the other, so that none is empty."""
    by_word = {"1": "0", "1.0": "0.0", "true": "false", "t": "f", "yes": "no", "y": "n", "ja": "nein"}
    back = {good_word: bad_word for bad_word, good_word in by_word.items()}
    if not fraud:
        fraud = tuple(_like(back[_folded(value)], value) for value in genuine if back.get(_folded(value)) in bad)
    elif not genuine:
        genuine = tuple(_like(by_word[_folded(value)], value) for value in fraud if by_word.get(_folded(value)) in good)
    return fraud or (_like("fraud", genuine[0]),), genuine or (_like("genuine", fraud[0]),)


def _like(word: str, other: str) -> str:
    """Return a word in the capitals of another."""
    if other.isupper():
        return word.upper()
    return word.capitalize() if other[:1].isupper() else word


def _folded(value: str) -> str:
    return " ".join(value.lower().replace("_", " ").split())
