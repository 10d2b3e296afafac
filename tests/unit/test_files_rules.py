"""What a map says of a column: a rule takes what it should, exactly, and refuses the rest with its column and why."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from files.column_map import ColumnMap, map_of
from files.errors import SourceError
from files.rules.amounts import Amount
from files.rules.ids import HashOf, RowNumber
from files.rules.labels import Labels
from files.rules.parties import Party
from files.rules.rule import Faults, Rows, shown
from files.rules.times import After, Steps, Written, milliseconds
from history.message_fields import OUTCOME, PAYMENT

if TYPE_CHECKING:
    from files.formats.piece import Refused

NEW_YEAR = 1_767_225_600_000


def made(rule: Any, *columns: list[Any], target: str = "target") -> tuple[list[Any], list[Refused]]:
    numbers = range(1, len(columns[0]) + 1)
    faults = Faults(numbers)
    values = list(rule.make(target, Rows([*columns], numbers), faults))
    return values, [refused for _, refused in sorted(faults.by_index.items())]


def one(rule: Any, value: Any) -> Any:
    (value,), refused = made(rule, [value])
    return refused[0] if refused else value


# Amounts ----------------------------------------------------------------------------------------------------------

RUPEES = Amount("Amount", "rupees")
EUROPEAN = Amount("Amount", "rupees", ",")


@pytest.mark.parametrize(
    ("written", "paise"),
    [
        ("1234.5", 123_450),
        ("1,234.50", 123_450),
        ("1,23,456.00", 12_345_600),
        ("12,34,567", 123_456_700),
        ("1 234.50", 123_450),
        ("1\u00a0234\u00a0567.5", 123_456_750),
        ("1,234", 123_400),
        ("Rs 10", 1_000),
        ("Rs. 1,00,000/-", 10_000_000),
        ("INR10", 1_000),
        ("₹ 5", 500),
        ("10 rupees", 1_000),
        ("$134.09", 13_409),
        ("10.50 Dr", 1_050),
        ("1,050.00DR.", 105_000),
        ("+5", 500),
        (".5", 50),
        ("5.", 500),
        ("19.990", 1_999),
        ("1e3", 100_000),
        ("1.437e2", 14_370),
        ("0", 0),
        ("  7  ", 700),
        (5, 500),
        (19.99, 1_999),
        (1.1, 110),
        (Decimal("0.07"), 7),
        ("90071992547409.93", 9_007_199_254_740_993),
        ("", None),
        ("   ", None),
        (None, None),
        (float("nan"), None),
    ],
)
def test_amounts_are_read_as_people_write_them_and_are_exact(written: Any, paise: int | None) -> None:
    assert one(RUPEES, written) == paise


@pytest.mark.parametrize(
    ("written", "paise"),
    [("1.234,50", 123_450), ("1.234", 123_400), ("12,5", 1_250), ("1.23.456,00", 12_345_600), ("₹ 1 234,5", 123_450)],
)
def test_a_comma_before_the_paise_is_read_only_where_it_is_said(written: str, paise: int) -> None:
    assert one(EUROPEAN, written) == paise


@pytest.mark.parametrize(
    ("rule", "written", "hint"),
    [
        (RUPEES, "1.234,50", 'decimal = ","'),
        (RUPEES, "1.234", 'decimal = ","'),
        (RUPEES, "12,34", 'decimal = ","'),
        (RUPEES, "1,2345", 'decimal = ","'),
        (EUROPEAN, "1,234", 'decimal = "."'),
        (EUROPEAN, "1,234.50", 'decimal = "."'),
    ],
)
def test_nothing_is_guessed_between_the_marks(rule: Amount, written: str, hint: str) -> None:
    refused = one(rule, written)
    assert refused.reason == "wrong-type"
    assert hint in refused.detail


@pytest.mark.parametrize(
    "written", ["abc", "1 2 3", "--5", "1,,234", "5 5", "Rs", "1.2.3", "\uff11\uff12", True, [1], "9" * 80]
)
def test_what_is_no_amount_is_refused_with_its_row_and_column(written: Any) -> None:
    refused = one(RUPEES, written)
    assert (refused.row, refused.reason, refused.column) == (1, "wrong-type", "Amount")
    assert refused.detail.startswith("target (column 'Amount'): expected an amount in rupees")


def test_amounts_that_are_no_whole_paise_are_refused() -> None:
    assert "expected an amount in whole paise, got '19.999'" in one(RUPEES, "19.999").detail
    assert "expected an amount in whole paise, got '5.5'" in one(Amount("a", "paise"), 5.5).detail
    assert one(Amount("a", "paise"), "1,250") == 1_250


@pytest.mark.parametrize(
    "written", ["-20.00", "20.00-", "20.00 Cr", "(20.00)", "\u221220", "Rs -20", "-Rs 20", -20, Decimal("-20.00")]
)
def test_a_minus_must_be_explained(written: Any) -> None:
    refused = one(RUPEES, written)
    assert refused.reason == "out-of-range"
    assert 'sign = "absolute"' in refused.detail
    assert one(Amount("Amount", "rupees", absolute=True), written) == 2_000


# Times ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format_", "written"),
    [
        ("%d/%m/%Y %H:%M:%S", "01/01/2026 05:30:00"),
        ("%d/%m/%Y %H:%M:%S", "1/1/2026 5:30:0"),
        ("%Y-%m-%d %H:%M", "2026-01-01 05:30"),
        ("%d-%b-%Y %I:%M %p", "01-Jan-2026 05:30 AM"),
        ("%Y-%m-%d %I:%M:%S %p", "2026-01-01 05:30:00 AM"),
        ("%m/%d/%y %H:%M", "01/01/26 05:30"),
        ("%Y%m%d%H%M%S", "20260101053000"),
        ("%Y-%m-%dT%H:%M:%S%z", "2026-01-01T00:00:00+0000"),
    ],
)
def test_times_of_a_format_are_read_in_their_zone(format_: str, written: str) -> None:
    assert one(Written(("when",), format_, "Asia/Kolkata"), written) == NEW_YEAR


@pytest.mark.parametrize(
    "written", ["31/02/2026 10:00:00", "2026-01-01", "yesterday", "01/01/2026 25:00:00", "01/01/26 1:1:1"]
)
def test_a_time_that_is_none_is_refused(written: str) -> None:
    """C's strptime takes 31 February for 3 March."""
    refused = one(Written(("when",), "%d/%m/%Y %H:%M:%S", "Asia/Kolkata"), written)
    assert refused.reason == "bad-time"
    assert "expected a time as %d/%m/%Y %H:%M:%S" in refused.detail


def test_a_time_without_a_zone_says_where_to_name_one() -> None:
    refused = one(Written(("when",), "%d/%m/%Y"), "01/01/2026")
    assert 'zone = "Asia/Kolkata"' in refused.detail


def test_several_columns_are_one_time() -> None:
    rule = Written(("Date", "Time"), "%d/%m/%Y %H:%M", "UTC")
    values, refused = made(rule, ["01/01/2026", "01/01/2026", ""], ["00:00", "24:00", ""])
    assert values == [NEW_YEAR, None, None]
    assert [(one.row, one.column) for one in refused] == [(2, "Date, Time")]


def test_clocks_that_are_put_back_and_forward() -> None:
    rule = Written(("when",), "%Y-%m-%d %H:%M", "Europe/Paris")
    values, _ = made(rule, ["2025-10-26 02:30", "2025-03-30 02:30"])
    expected = [datetime(2025, 10, 26, 0, 30, tzinfo=UTC), datetime(2025, 3, 30, 1, 0, tzinfo=UTC)]
    assert values == [int(moment.timestamp() * 1_000) for moment in expected]


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (0, NEW_YEAR),
        (1, NEW_YEAR + 3_600_000),
        ("1", NEW_YEAR + 3_600_000),
        (1.5, NEW_YEAR + 5_400_000),
        ("0.0000001", NEW_YEAR),
        (-1, NEW_YEAR - 3_600_000),
        (Decimal(2), NEW_YEAR + 7_200_000),
        ("", None),
        (None, None),
    ],
)
def test_steps_count_from_the_epoch(value: Any, moment: int | None) -> None:
    assert one(Steps("step", NEW_YEAR, 3_600_000), value) == moment


@pytest.mark.parametrize("value", ["soon", "1h", True, float("inf"), "1e300", [1]])
def test_what_is_no_number_of_steps_is_refused(value: Any) -> None:
    assert one(Steps("step", NEW_YEAR, 3_600_000), value).reason == "bad-time"


def test_a_report_may_come_some_time_after_another_time() -> None:
    rule = After("event_time", Steps("step", 0, 1_000), 500)
    values, refused = made(rule, [1, None, "x"])
    assert values[0] == 1_500
    assert [one.row for one in refused] == [2, 3]
    assert "event_time (column 'step')" in refused[0].detail


@pytest.mark.parametrize(
    ("text", "length"), [("7d", 604_800_000), ("1h", 3_600_000), ("1.5s", 1_500), ("30m", 1_800_000), ("5ms", 5)]
)
def test_durations(text: str, length: int) -> None:
    assert milliseconds(text) == length


@pytest.mark.parametrize("text", ["7", "d", "-1d", "1 week", "0.1ms", "1e3s", "999999999999d"])
def test_what_is_no_duration(text: str) -> None:
    assert milliseconds(text) is None


# Parties, ids, labels ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "vpa"),
    [
        ("C1231006815", "c1231006815@bank"),
        ("Shop,  Sons\tand Co ", "shop,%20sons%20and%20co@bank"),
        ("shop@axl", "shop%40axl@bank"),
        ("100%", "100%25@bank"),
        ("a\u200bb", "a%e2%80%8bb@bank"),
        ("Ångström", "ångström@bank"),
        (4111222233334444, "4111222233334444@bank"),
        (4.0, "4@bank"),
        ("", None),
        ("  ", None),
        (None, None),
    ],
)
def test_a_party_is_made_of_any_text(text: Any, vpa: str | None) -> None:
    assert one(Party("name", "bank"), text) == vpa


def test_long_names_stay_different() -> None:
    values, _ = made(Party("name", "bank"), ["x" * 300 + "a", "x" * 300 + "b", "x" * 250, "x" * 251])
    assert len(set(values)) == 4
    assert all(len(value) <= 255 for value in values)
    assert values[2] == "x" * 250 + "@bank"


def test_ids_by_row_and_by_content() -> None:
    assert made(RowNumber("R-"), ["a", "b"])[0] == ["R-1", "R-2"]
    values, _ = made(HashOf(("a", "b")), ["1", "11", "1", "", "1"], ["12", "2", "12", "112", None])
    assert values[0] == values[2]
    assert len(set(values)) == 4, "where one value ends and the next begins matters"
    assert made(HashOf(("a", "b")), [1], [12])[0] == values[:1], "a number is what it is as text"


def test_labels_in_any_writing() -> None:
    rule = map_of({"outcome": {"column": "l", "fraud": [1, "Yes", True], "genuine": [0, "no", False]}}, "m", OUTCOME)
    labels = rule.rules["outcome"]
    values, refused = made(labels, [1, "1", " 1.0", "YES", True, "true", 0, "0.00", "No", False, "", None, "maybe", 2])
    assert values == ["FRAUD"] * 6 + ["GENUINE"] * 4 + [None] * 4
    assert [(one.row, one.reason) for one in refused] == [(13, "out-of-range"), (14, "out-of-range")]
    assert (
        "expected 1, yes, true (fraud) or 0, no, false (genuine), or nothing, got 'ma…' (5 characters)"
        in refused[0].detail
    )


# What an error shows ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("1,234.50", "'1,234.50'"),
        ("2026-01-01T10:00:00Z", "'2026-01-01T10:00:00Z'"),
        (19.999, "'19.999'"),
        ("asha@ybl", "'as…' (8 characters)"),
        ("Asha Rao", "'As…' (8 characters)"),
        ("ab", "'…' (2 characters)"),
        ("", "nothing"),
        (None, "nothing"),
        (True, "true"),
        ("9" * 40, "'99…' (40 characters)"),
    ],
)
def test_an_error_shows_numbers_and_hides_names(value: Any, said: str) -> None:
    assert shown(value) == said


# Maps that cannot be ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"amount_paise": {"colum": "a", "unit": "rupees"}}, r"got 'colum' \(did you mean column\?\)"),
        ({"amount_paise": {"column": "a", "unit": "dollars"}}, 'unit to be "rupees" or "paise", got \'dollars\''),
        ({"amount_paise": {"column": "a", "unit": "rupees", "decimal": ";"}}, "decimal to be"),
        ({"amount_paise": {"column": "a", "unit": "rupees", "sign": "no"}}, 'sign to be "absolute"'),
        (
            {"amount_paise": {"column": "a", "handle": "x"}},
            r'amount_paise: expected amount_paise = "COLUMN" or \{ column',
        ),
        ({"amount_paise": {"unit": "rupees"}}, r"got \{ unit \}"),
        ({"payer_vpa": {"column": "a", "handle": "My Bank"}}, "handle to be the part behind the @"),
        ({"payer_vpa": {"column": "a", "handle": 5}}, "handle to be"),
        ({"transaction_id": {"hash_of": "a"}}, "hash_of to be names of columns"),
        ({"transaction_id": {"hash_of": []}}, "hash_of to be names of columns"),
        ({"transaction_id": {"row_number": 5}}, "row_number to be a text"),
        ({"transaction_id": {"row_number": "x" * 41}}, "of at most 40 characters"),
        ({"payer_vpa": {"row_number": "x"}}, r"payer_vpa: expected .*handle"),
        ({"event_time": {"column": "t", "format": "%d/%m/%Q"}}, "of the letters of strftime"),
        ({"event_time": {"column": "t", "format": "%H:%M"}}, "with a day in it"),
        ({"event_time": {"columns": ["a", "b"]}}, r'event_time: expected .*"%d/%m/%Y'),
        ({"event_time": {"column": "t", "epoch": 0, "step": "soon"}}, "step to be a duration"),
        ({"event_time": {"column": "t", "epoch": 0, "step": "0h"}}, "step to be a duration"),
        (
            {"event_time": {"column": "t", "epoch": datetime(2026, 1, 1), "step": "1h"}},  # noqa: DTZ001
            "epoch to be a time with an offset",
        ),
        ({"reported_at": {"after": "amount_paise", "delay": "7d"}}, "after to be another time: event_time"),
        ({"reported_at": {"after": "event_time", "delay": 7}}, "delay to be a duration"),
        ({"reported_at": {"after": "reported_at", "delay": "7d"}}, "after to be another time"),
        ({"outcome": {"column": "l", "fraud": [1]}}, r"got \{ column, fraud \}"),
        ({"outcome": {"column": "l", "fraud": [1, "x"], "genuine": ["X"]}}, "got x under both"),
        ({"outcome": {"column": "l", "fraud": [], "genuine": [0]}}, "fraud to be labels"),
        ({"outcom": "x"}, r"got 'outcom' \(did you mean outcome\?\)"),
        ({"seperator": ";"}, r"got 'seperator' \(did you mean separator\?\)"),
        ({"separator": ";;"}, "another single character"),
        ({"separator": '"'}, "another single character"),
        ({"amount_paise": {"column": "a", "unit": "rupees"}, "scale": {"amount_paise": 100}}, "remove the factor"),
        (
            {"amount_paise": {"column": "a", "unit": "rupees"}, "const": {"amount_paise": 1}},
            "both a column and a constant",
        ),
        ({"amount_paise": 7}, r'expected amount_paise = "source column", or .*unit = "rupees".*; got 7'),
    ],
)
def test_a_map_that_cannot_be_says_what_was_expected(table: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SourceError, match=complaint):
        map_of(table, "map.toml", PAYMENT, OUTCOME)


def test_a_map_of_both_kinds_is_one() -> None:
    columns = map_of({"payer_vpa": "a", "outcome": "b"}, "m", PAYMENT, OUTCOME)
    assert columns.says_of(PAYMENT)
    assert columns.says_of(OUTCOME)
    assert columns.has_outcomes
    assert not ColumnMap().says_of(PAYMENT)
    assert isinstance(Labels("a", ("1",), ("0",)).columns, tuple)
