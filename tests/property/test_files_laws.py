"""Laws of files: a party is valid for any text and never one for two, amounts are exact, times are strptime's."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features.identity import Identities
from files.column_map import map_of
from files.rules.amounts import Amount
from files.rules.ids import HashOf
from files.rules.parties import Party
from files.rules.rule import Faults, Rows
from files.rules.times import Steps, Written
from files.source import Source
from history.message_fields import PAYMENT
from stream.decode import decode_payments

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = 1_790_000_000_000
TEXT = st.text(st.characters(), max_size=400) | st.text(
    "aA1 @%~\u00a0\u200b\u0130\u1e9e\u03a3\u03c3\u03c2", max_size=300
)


def made(rule: Any, *columns: Sequence[Any]) -> tuple[list[Any], list[str]]:
    numbers = range(1, len(columns[0]) + 1)
    faults = Faults(numbers)
    values = rule.make("target", Rows([*columns], numbers), faults)
    return list(values), [refused.detail for _, refused in sorted(faults.by_index.items())]


def folded(text: str) -> str:
    return " ".join(text.lower().split())


# Parties ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=20))
@example(["\ud800", "İ", "ẞ", "ΑΣ", "%e2", "@", "x" * 300])
def test_any_text_is_a_vpa_that_the_stream_takes(texts: list[str]) -> None:
    values, refused = made(Party("name", "h"), texts)
    assert refused == []
    assert [value is None for value in values] == [not text.split() for text in texts]
    payments = [
        json.dumps(
            {"transaction_id": "x", "event_time": NOW, "payer_vpa": value, "payee_vpa": "a@b", "amount_paise": 1}
        ).encode()
        for value in values
        if value is not None
    ]
    decoded = decode_payments(payments, NOW, Identities(b"k" * 16))
    assert decoded.rejections == []
    assert all(value == value.lower() and len(value) <= 255 for value in values if value is not None)


@settings(deadline=None)
@given(TEXT, TEXT)
@example("a b", "a  b")
@example("x" * 300, "x" * 301)
@example("%~", "~")
@example("a%20b", "a b")
def test_two_texts_are_one_party_only_if_capitals_and_blanks_are_all_that_differs(one: str, other: str) -> None:
    (first, second), _ = made(Party("name", "h"), [one, other])
    assert (first == second) == (folded(one) == folded(other))


@settings(deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=10))
def test_a_party_is_the_same_in_whatever_company(texts: list[str]) -> None:
    together, _ = made(Party("name", "h"), texts)
    assert together == [made(Party("name", "h"), [text])[0][0] for text in texts]


# Amounts ----------------------------------------------------------------------------------------------------------


def indian(whole: int) -> str:
    text = str(whole)
    head, last = text[:-3], text[-3:]
    groups = []
    while head:
        groups.insert(0, head[-2:])
        head = head[:-2]
    return ",".join([*groups, last])


@settings(deadline=None)
@given(st.integers(0, 10**12))
def test_every_writing_of_an_amount_is_that_amount(paise: int) -> None:
    whole, rest = divmod(paise, 100)
    western = f"{whole:,}"
    written = [
        f"{whole}.{rest:02d}",
        f"{western}.{rest:02d}",
        f"{indian(whole)}.{rest:02d}",
        f"Rs. {indian(whole)}.{rest:02d}/-",
        f"₹{western.replace(',', ' ')}.{rest:02d}",
        f"+{whole}.{rest:02d}0",
        Decimal(paise) / 100,
        f"{paise}e-2",
    ]
    assert made(Amount("a", "rupees"), written) == ([paise] * len(written), [])
    european = [f"{western.replace(',', '.')},{rest:02d}", f"{whole},{rest:02d}"]
    assert made(Amount("a", "rupees", ","), european) == ([paise] * 2, [])
    if paise:
        negative = [f"-{whole}.{rest:02d}", f"({western}.{rest:02d})"]
        assert made(Amount("a", "rupees", absolute=True), negative)[0] == [paise] * 2
        assert len(made(Amount("a", "rupees"), negative)[1]) == 2


@settings(deadline=None)
@given(st.floats(0.01, 10**8).map(lambda value: round(value, 2)))
def test_floats_of_two_places_are_exact(value: float) -> None:
    assert made(Amount("a", "rupees"), [value, repr(value)])[0] == [int(Decimal(repr(value)) * 100)] * 2


# Times ------------------------------------------------------------------------------------------------------------

FORMATS = ["%d/%m/%Y %H:%M:%S", "%Y-%m-%d", "%m-%d-%Y %H:%M", "%Y%m%d %H%M%S", "%H:%M %d.%m.%Y", "%d/%m/%Y%H:%M:%S"]


@pytest.mark.slow
@given(st.sampled_from(FORMATS), st.text("0123456789/-: .Z", max_size=20))
@settings(max_examples=300, deadline=None)
def test_plain_formats_are_read_as_strptime_reads_them(format_: str, written: str) -> None:
    try:
        expected = datetime.strptime(written.strip(), format_).replace(tzinfo=UTC).timestamp() * 1_000
    except ValueError:
        expected = None
    (value,), refused = made(Written(("when",), format_, "UTC"), [written])
    assert value == expected
    assert bool(refused) == (expected is None and written != "")


@settings(deadline=None)
@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)), st.sampled_from(FORMATS), st.booleans())  # noqa: DTZ001
def test_what_is_written_in_a_format_is_read_back(moment: datetime, format_: str, short: bool) -> None:
    written = moment.strftime(format_)
    expected = datetime.strptime(written, format_).replace(tzinfo=UTC).timestamp() * 1_000
    if short:
        written = written.replace("/0", "/")
    assert made(Written(("when",), format_, "UTC"), [written])[0] == [expected]


@settings(deadline=None)
@given(st.integers(-(10**6), 10**6), st.integers(1, 10**9), st.integers(-(10**9), 10**9))
def test_steps_are_exact_whatever_type_they_have(step: int, length: int, epoch: int) -> None:
    values, refused = made(Steps("s", epoch, length), [step, str(step), float(step), Decimal(step)])
    assert (values, refused) == ([epoch + step * length] * 4, [])


# Ids --------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=10))
def test_a_hash_is_of_the_content_and_of_all_of_it(rows: list[tuple[str, str, str]]) -> None:
    ids, _ = made(HashOf(("a", "b", "c")), *zip(*rows, strict=True))
    assert len(set(ids)) == len(set(rows))
    assert all(len(one) == 32 for one in ids)


# Whole files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 255, 256, 257, 9_000])
def test_batches_hold_every_row_once(tmp_path: Any, rows: int) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n" + "".join(f"{row}\n" for row in range(1, rows + 1)))
    columns = map_of(
        {
            "transaction_id": {"row_number": ""},
            "const": {"payer_vpa": "a@b", "payee_vpa": "c@d", "amount_paise": 1},
            "event_time": {"column": "a", "epoch": 0, "step": "1s"},
        },
        "m",
        PAYMENT,
    )
    messages = list(Source(path, PAYMENT, columns).messages())
    assert [message.row for message in messages] == list(range(1, rows + 1))
    assert np.array_equal([message.moment for message in messages], np.arange(1, rows + 1) * 1_000)
    assert [message.transaction_id for message in messages] == [str(row) for row in range(1, rows + 1)]
