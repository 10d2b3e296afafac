"""UPI's attributes as values of a payment: what cannot be read with certainty is unknown. Pure."""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from typing import Final

AMOUNT: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,2})?")
RRN: Final = re.compile(r"[0-9]{12}")
MOBILE: Final = re.compile(r"\+?[0-9]{10,15}")
MASKED: Final = re.compile(r"[*#]|[Xx]{2}")
ACCOUNT: Final = re.compile(r"[0-9A-Za-z/-]{1,59}")
"""So long that the bank's code and a colon may stand before it: a payment has 64 characters for an account."""
IFSC: Final = re.compile(r"[A-Z]{4}[0-9A-Z]{7}")
BANK: Final = 4
"""Characters of an IFSC that name the bank."""
MCC: Final = re.compile(r"[0-9]{4}")
NO_MERCHANT: Final = "0000"
DEGREES: Final = r"([+-]?[0-9]{1,3}(?:\.[0-9]{0,15})?)"
GEOCODE: Final = re.compile(rf"{DEGREES}\s*[,:]\s*{DEGREES}")
SCORE: Final = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,6})?")
MOST_SCORES: Final = 8
HIGHEST_SCORE: Final = 100

INITIATIONS: Final = {
    "01": "QR", "02": "QR", "03": "QR", "04": "INTENT", "05": "INTENT", "11": "MANDATE"
}  # fmt: skip
"""The modes of initiation that one of our six names says; the code itself is kept beside it."""


def paise(text: str | None) -> int | None:
    """Return rupees as paise, exactly; None where they are no plain number with at most two decimals."""
    return int(Decimal(text) * 100) if text is not None and AMOUNT.fullmatch(text) else None


def place(text: str) -> tuple[float, float] | None:
    """Return latitude and longitude in degrees, of `19.04,72.87` or `19.04:72.87`; None where it is unknown.

    `0,0` is what phones say that do not know where they are.
    """
    found = GEOCODE.fullmatch(text)
    if found is None:
        return None
    latitude, longitude = float(found[1]), float(found[2])
    if (latitude == 0 and longitude == 0) or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    return latitude, longitude


def rrn(text: str) -> str | None:
    """Return a retrieval reference number, 12 digits."""
    return text if RRN.fullmatch(text) else None


def mobile(text: str) -> str | None:
    """Return a mobile number, its leading + left out; a masked one is unknown."""
    return text.removeprefix("+") if MOBILE.fullmatch(text) else None


def account(text: str) -> str | None:
    """Return an account number; a masked one is unknown, as it would be the same for many accounts."""
    return text if ACCOUNT.fullmatch(text) and not MASKED.search(text) else None


def account_of_bank(number: str | None, branch: str | None) -> str | None:
    """Return an account as a payment names it, `HDFC:50100123456789`: another bank may give the same number.

    Without the branch's code (IFSC), which begins with that of the bank, it is the number alone.
    """
    return number if number is None or branch is None else f"{branch[:BANK]}:{number}"


def ifsc(text: str) -> str | None:
    """Return a branch's code, 11 characters in upper case."""
    upper = text.upper()
    return upper if IFSC.fullmatch(upper) else None


def mcc(text: str) -> str | None:
    """Return a merchant category, 4 digits."""
    return text if MCC.fullmatch(text) else None


def score(text: str) -> float | int | None:
    """Return a risk score from 0 to 100; `00030` is 30."""
    if not SCORE.fullmatch(text):
        return None
    value = float(text)
    if value > HIGHEST_SCORE:
        return None
    return int(value) if value.is_integer() else value


def remarks(note: str) -> str:
    """Return what stands for a note: the SHA-256 of its words in lower case, so equal remarks are seen as equal."""
    return hashlib.sha256(" ".join(note.casefold().split()).encode()).hexdigest()
