"""Where local times were written: what the rest of a file tells of it."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from upifraud.proposal.choice import listed, quoted
from upifraud.proposal.names import EVENT_TIME
from upifraud.proposal.parties import is_address
from upifraud.proposal.proposal import Option
from upifraud.proposal.times import Form, times_of

if TYPE_CHECKING:
    from upifraud.proposal.proposal import Proposal
    from upifraud.proposal.sample import Sample
    from upifraud.proposal.times import Times

_IFSC: Final = re.compile(r"[A-Z]{4}0[A-Z0-9]{6}")
_IBAN: Final = re.compile(r"([A-Z]{2})[0-9]{2} ?[A-Z0-9]{4}[A-Z0-9 ]{6,30}")
_COUNTRIES: Final = {
    "DE": "Europe/Berlin", "AT": "Europe/Vienna", "CH": "Europe/Zurich", "FR": "Europe/Paris", "NL": "Europe/Amsterdam",
    "BE": "Europe/Brussels", "IT": "Europe/Rome", "GB": "Europe/London", "IE": "Europe/Dublin", "PL": "Europe/Warsaw",
}  # fmt: skip
_RUPEES: Final = re.compile(r"₹|\b(rs|inr)\b", re.IGNORECASE)
_MOBILE: Final = re.compile(r"\+?91[6-9][0-9]{9}")
_LONGEST_NUMBER: Final = 20
_LOOKED_AT: Final = 500


def propose_zone(sample: Sample, proposal: Proposal, times: Times, *names: str) -> None:
    """Write the zone of the times in these columns, if they have none and it is not known yet; else ask for it."""
    if (times.has_zone and "UTC" not in "".join(times.formats)) or "zone" in proposal.lines:
        return
    zone, why = zone_of(sample, *names)
    if zone is not None:
        proposal.take("zone", zone, why)
        return
    proposal.ask(
        "zone",
        None,
        f"The times of {listed(names)} have no zone, and nothing in the file says where they were written.",
        Option("Asia/Kolkata", "local times of India"),
        Option("+00:00", "UTC, as servers write it"),
    )


def zone_of(sample: Sample, *names: str) -> tuple[str | None, str]:
    """Return the zone of the times in these columns with the reason; None where nothing tells."""
    if offset := _beside(sample, names):
        return offset
    if all(text.endswith("UTC") for name in names for text in sample[name].texts[:_LOOKED_AT]):
        return "+00:00", f"{quoted(names[0])} says UTC itself"
    for column in sample:
        texts = column.texts[:_LOOKED_AT]
        words = set(column.words)
        if texts and (
            (words & {"upi", "vpa"} and sum(map(is_address, texts)) > len(texts) / 2)
            or _all(_IFSC, texts)
            or _all(_MOBILE, texts)
        ):
            return "Asia/Kolkata", f"the values of {quoted(column.name)} are of UPI, so its times are taken for India's"
        if (
            _RUPEES.search(" ".join(column.words))
            or sum(_RUPEES.search(text) is not None for text in texts) > len(texts) / 2
        ):
            return "Asia/Kolkata", f"{quoted(column.name)} speaks of rupees, so its times are taken for India's"
        countries = Counter(match[1] for text in texts if (match := _IBAN.fullmatch(text)))
        if countries and countries.total() > len(texts) / 2:
            (country, _), *_ = countries.most_common(1)
            if country in _COUNTRIES:
                return _COUNTRIES[country], f"most accounts in {quoted(column.name)} are of {country}"
    return None, ""


def _all(pattern: re.Pattern[str], texts: list[str]) -> bool:
    return sum(pattern.fullmatch(text) is not None for text in texts) > 0.9 * len(texts)


def _beside(sample: Sample, names: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the offset that another column, whose times are moments, shows for the same rows."""
    if len(names) != 1:
        return None
    mine = [_moment(value) for value in sample[names[0]].values[:_LOOKED_AT]]
    for column in sample:
        if column.name == names[0] or not EVENT_TIME.worth(column.words):
            continue
        times = times_of(column, named=True)
        if times is None or times.form is not Form.EPOCH:
            continue
        gaps: Counter[int] = Counter()
        for local, value in zip(mine, column.values[:_LOOKED_AT], strict=False):
            text = str(value).removesuffix(".0")
            if local is not None and text.isdecimal() and len(text) < _LONGEST_NUMBER:
                gap = (local.timestamp() - int(text) / times.per_second + 43_200) % 86_400 - 43_200
                gaps[round(gap)] += 1
        if gaps and gaps.most_common(1)[0][1] > 0.95 * gaps.total() and (gap := gaps.most_common(1)[0][0]) % 900 == 0:
            sign, minutes = "-" if gap < 0 else "+", abs(gap) // 60
            offset = f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"
            return offset, f"{quoted(column.name)} has the same times since 1970, {offset} away"
    return None


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value
    try:
        made = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return made.replace(tzinfo=UTC) if made.tzinfo is None else None
