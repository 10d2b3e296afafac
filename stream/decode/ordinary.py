"""The fast lane: msgspec reads a record into the types of all its fields at once.

A record is ordinary if every field has the right JSON type, and if the required ones are written the way programs write
them. Whatever is not is left to `stream.decode.payment`, which is slower and says what is wrong. So this file has to be
right only about what it takes.
"""

from __future__ import annotations

import re
from itertools import repeat
from operator import contains
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import msgspec
import numpy as np
from msgspec import MsgspecError

from stream.decode.fields import FullPayment, ReadPayment
from stream.decode.times import parse_times
from stream.wire import MAX_NESTING, MAX_VALUE_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_decoder: Final[msgspec.json.Decoder[ReadPayment]] = msgspec.json.Decoder(FullPayment)
_ORDINARY_VPA: Final = re.compile(r"[!-?A-~]+@[!-?A-~]+")
_SHALLOW: Final = 2 * MAX_NESTING
"""Bytes in which no JSON nests too deep."""


class Ordinary(NamedTuple):
    """What the fast lane made of some values."""

    found: list[ReadPayment | None]
    """Each ordinary payment; None for every other value."""
    left: list[int]
    """Where those others stand."""
    no_controls: bool
    """Whether it is known that no text has a control character."""


def read(values: Sequence[bytes | None], earliest_ms: int, latest_ms: int) -> Ordinary:
    """Read the ordinary payments between two times (epoch milliseconds)."""
    fit, is_plain = _fit(values)
    found: list[ReadPayment | None] = []
    left: list[int] = []
    for value in fit:
        try:
            found.append(_decoder.decode(value))
        except (MsgspecError, UnicodeDecodeError):
            left.append(len(found))
            found.append(None)
    payments = [payment for payment in found if payment is not None] if left else cast("list[ReadPayment]", found)
    if payments and not _all_ordinary(payments, earliest_ms, latest_ms, is_plain=is_plain):
        for row, payment in enumerate(found):
            if payment is not None and not _is_ordinary(payment, earliest_ms, latest_ms):
                found[row] = None
        left = [row for row, payment in enumerate(found) if payment is None]
    return Ordinary(found, left, is_plain)


def _fit(values: Sequence[bytes | None]) -> tuple[Sequence[bytes], bool]:
    """Return the values that msgspec may see, the others empty; and whether all are ASCII without control characters.

    msgspec neither checks the UTF-8 of what it passes over, nor counts how deep that nests.
    """
    whole = [b"" if value is None else value for value in values] if None in values else cast("Sequence[bytes]", values)
    joined = b"".join(whole)
    lengths = [*map(len, whole)]
    if max(lengths, default=0) > _SHALLOW:
        odd = (np.array(lengths) > MAX_VALUE_BYTES) | (_brackets(joined, lengths) > MAX_NESTING)
        whole = [b"" if is_odd else value for value, is_odd in zip(whole, odd.tolist(), strict=True)]
    is_ascii = joined.isascii()
    if not is_ascii:
        whole = [value if value.isascii() or _is_utf8(value) else b"" for value in whole]
    return whole, is_ascii and b"\\" not in joined and b"\x7f" not in joined


def _brackets(joined: bytes, lengths: list[int]) -> NDArray[np.intp]:
    """Return how many [ and { each value has: nothing in it nests deeper."""
    codes = np.frombuffer(joined, dtype=np.uint8) | np.uint8(ord("{") - ord("["))
    opening = np.flatnonzero(
        np.equal(codes, ord("{"), out=codes.view(np.bool_))
    )  # new memory would cost more than this
    return np.diff(np.searchsorted(opening, np.cumsum(lengths)), prepend=0)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parse_times(payments: list[ReadPayment]) -> None:
    written = [payment for payment in payments if type(payment.event_time) is str]
    for payment, time in zip(written, parse_times([str(payment.event_time) for payment in written]), strict=True):
        payment.event_time = -1 if time is None else time


def _all_ordinary(payments: list[ReadPayment], earliest_ms: int, latest_ms: int, *, is_plain: bool) -> bool:
    """Whether all payments are ordinary, by a few calls for all of them: that they are is the rule.

    Their times are epoch milliseconds afterwards.
    """
    times: list[Any] = [payment.event_time for payment in payments]
    if str in {*map(type, times)}:
        _parse_times(payments)
        times = [payment.event_time for payment in payments]
    vpas = [payment.payer_vpa for payment in payments]
    vpas += [payment.payee_vpa for payment in payments]
    joined = " ".join(vpas)
    return (
        max(earliest_ms, 0) <= min(times)
        and max(times) <= latest_ms
        and joined.count(" ") == len(vpas) - 1
        and joined.count("@") == len(vpas)  # and one in each, so each has one
        and all(map(contains, vpas, repeat("@")))
        and " @" not in joined
        and "@ " not in joined
        and joined[0] != "@" != joined[-1]
        and (
            is_plain
            or (
                joined.isascii()
                and joined.isprintable()
                and "".join([payment.transaction_id for payment in payments]).isprintable()
            )
        )
    )


def _is_ordinary(payment: ReadPayment, earliest_ms: int, latest_ms: int) -> bool:
    return (
        max(earliest_ms, 0) <= payment.event_time <= latest_ms  # type: ignore[operator]
        and _ORDINARY_VPA.fullmatch(payment.payer_vpa) is not None
        and _ORDINARY_VPA.fullmatch(payment.payee_vpa) is not None
        and payment.transaction_id.isprintable()
    )
