"""What a feature is called in a reason, by its name: a plain one as it is declared, a windowed one by its parts."""

from __future__ import annotations

import re
from typing import Final

from features.definitions import FEATURES
from features.words.sides import Side, Wording
from features.words.windowed import parse_window, words_of

PLAIN_WORDS: Final = {feature.name: feature.words for feature in FEATURES if feature.words is not None}


def wording(name: str) -> Wording:
    """Return the wording of any feature; a name nobody declared here gets its own name as its code."""
    if name in PLAIN_WORDS:
        return PLAIN_WORDS[name]
    window = parse_window(name)
    if window is not None:
        return words_of(window)
    code = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_") or "FEATURE"
    side = Side(code, f"{name} is {{value}}")
    return Wording(side, side, Side(f"{code}_UNKNOWN", f"{name} is not known"))
