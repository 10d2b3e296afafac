"""Fields that a payment can do without: taken only where a name is just theirs and the values fit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from upifraud.proposal.choice import listed, quoted
from upifraud.proposal.names import OPTIONAL
from upifraud.proposal.times import Form, times_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from upifraud.proposal.proposal import Proposal, Toml
    from upifraud.proposal.sample import Column, Sample

_WORDS: Final = {
    "flow": {"P2P", "P2M"},
    "type": {"PAY", "COLLECT"},
    "initiation": {"QR", "INTENT", "VPA", "CONTACT", "ACCOUNT", "MANDATE"},
    "status": {"INITIATED", "SUCCESS", "DECLINED", "REVERSED"},
}
_SHAPES: Final = {
    "mcc": re.compile(r"[0-9]{4}"),
    "rrn": re.compile(r"[0-9A-Za-z]{6,32}"),
    "payer_ifsc": re.compile(r"[A-Z]{4}0[A-Z0-9]{6}"),
    "payee_ifsc": re.compile(r"[A-Z]{4}0[A-Z0-9]{6}"),
    "payer_mobile": re.compile(r"\+?[0-9]{10,15}"),
    "payee_mobile": re.compile(r"\+?[0-9]{10,15}"),
    "device_id": re.compile(r".*[^.0-9].*|[0-9]{4,}"),
    "ip": re.compile(r"[0-9a-fA-F.:]{7,45}"),
}
_TIMES: Final = {"device_bound_at", "sim_changed_at", "payee_added_at"}
_DEGREES: Final = {"latitude": 90.0, "longitude": 180.0}
_MOST: Final = 0.9
_LONGEST: Final = 64


def propose_rest(sample: Sample, proposal: Proposal, chosen: Mapping[str, Toml]) -> None:
    """Write the lines of optional fields, and say which columns no line reads."""
    _place(sample, proposal, chosen)
    for target, spoken in OPTIONAL.items():
        if target in _DEGREES or target in proposal.lines or target in chosen:
            continue
        if target == "typology" and "outcome" not in proposal.lines:
            continue
        for column in sample:
            if column.name in proposal.used or spoken.worth(column.words) < 1 or column.empty:
                continue
            if _fits(target, column):
                proposal.take(target, column.name, f"{quoted(column.name)} by its name", column.name)
                break
    unused = [column.name for column in sample if column.name not in proposal.used]
    if unused:
        named = listed(unused[:12]) + (f" and {len(unused) - 12} more" if len(unused) > 12 else "")
        proposal.notes.append(f"No line reads {named}.")


def _fits(target: str, column: Column) -> bool:
    texts = column.texts
    if target in _WORDS:
        return sum(text in _WORDS[target] for text in texts) >= _MOST * len(texts)
    if target in _TIMES:
        times = times_of(column, named=False)
        return times is not None and times.form in {Form.ISO_ZONE, Form.ISO_LOCAL}
    shape = _SHAPES.get(target)
    if shape is not None and sum(shape.fullmatch(text) is not None for text in texts) < _MOST * len(texts):
        return False
    return all(len(text) <= _LONGEST for text in texts)


def _place(sample: Sample, proposal: Proposal, chosen: Mapping[str, Toml]) -> None:
    """Take a place only whole; of two, the one that changes more, for homes stay where they are."""
    if set(_DEGREES) & set(chosen):
        return
    pairs: dict[tuple[str, ...], dict[str, Column]] = {}
    for target, most in _DEGREES.items():
        for column in sample:
            if OPTIONAL[target].worth(column.words) == 1 and column.name not in proposal.used and _within(column, most):
                pairs.setdefault(_whose(column), {})[target] = column
    whole = [pair for pair in pairs.values() if len(pair) == len(_DEGREES)]
    if not whole:
        return
    best = max(whole, key=lambda pair: (len(pair["latitude"].counts), len(_whose(pair["latitude"]))))
    names = [best[target].name for target in _DEGREES]
    why = "by their names; of several places the one that changes most" if len(whole) > 1 else "by their names"
    for target in _DEGREES:
        proposal.take(target, best[target].name, f"{listed(names)} {why}", *names)


def _whose(column: Column) -> tuple[str, ...]:
    """Return the words that say whose place it is."""
    return tuple(word for word in column.words if word not in {"lat", "latitude", "long", "lon", "lng", "longitude"})


def _within(column: Column, most: float) -> bool:
    try:
        return all(abs(float(text)) <= most for text in column.texts) and not column.empty
    except ValueError:
        return False
