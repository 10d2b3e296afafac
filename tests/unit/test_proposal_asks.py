"""What values can decide is decided by them, with a reason; what they cannot is asked."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from upifraud.proposal.became import delay_of
from upifraud.proposal.map_text import map_text
from upifraud.proposal.propose import propose
from upifraud.proposal.sample import Column, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upifraud.proposal.proposal import Proposal

DAY_MS = 86_400_000


def proposal_of(chosen: dict[str, Any] | None = None, **columns: Sequence[object]) -> Proposal:
    """Propose a map for columns; those that matter to no test are filled in."""
    rows = len(next(iter(columns.values())))
    filled: dict[str, Sequence[object]] = {
        "txn_id": [f"T{row}" for row in range(rows)],
        "timestamp": [f"2025-03-{1 + row % 28:02d}T10:00:00Z" for row in range(rows)],
        "payer": [f"p{row % 7}" for row in range(rows)],
        "payee": [f"q{row % 5}" for row in range(rows)],
        "amount": [f"{row + 1}.50" for row in range(rows)],
        "is_fraud": [str(row % 9 // 8) for row in range(rows)],
    }
    replaced = {"amount_inr": "amount", "amount_paise": "amount", "when": "timestamp", "step": "timestamp"}
    for name in columns:
        filled.pop(replaced.get(name, name), None)
    return propose(Sample({name: Column(name, values) for name, values in (filled | columns).items()}, rows), chosen)


def asked(proposal: Proposal) -> list[tuple[str, str | None]]:
    return [(question.target, question.key) for question in proposal.questions]


def options(proposal: Proposal) -> list[Any]:
    (question,) = proposal.questions
    return [option.value for option in question.options]


def line(proposal: Proposal, target: str) -> Any:
    return proposal.lines[target].value


# Days and months ------------------------------------------------------------------------------------------------


def test_a_day_beyond_twelve_says_which_comes_first() -> None:
    proposal = proposal_of(
        {"zone": "UTC"}, timestamp=["03/04/2025 10:00:00", "13/04/2025 10:00:00", "05/01/2025 10:00:00"]
    )
    assert line(proposal, "event_time")["format"] == "%d/%m/%Y %H:%M:%S"
    assert asked(proposal) == []


def test_the_order_of_rows_says_which_comes_first() -> None:
    days = ["01/02/2025 10:00", "02/02/2025 10:00", "03/02/2025 10:00", "01/03/2025 10:00"]
    proposal = proposal_of({"zone": "UTC"}, timestamp=days)
    assert line(proposal, "event_time")["format"] == "%d/%m/%Y %H:%M"
    assert "in order of time" in proposal.lines["event_time"].reason


def test_where_nothing_says_which_comes_first_it_is_asked_by_the_example_of_a_value() -> None:
    proposal = proposal_of({"zone": "UTC"}, timestamp=["03/04/2025 10:00", "01/02/2025 10:00", "02/01/2025 10:00"])
    assert line(proposal, "event_time") == {"column": "timestamp", "format": "?"}
    assert set(options(proposal)) == {"%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"}
    assert {option.meaning for option in proposal.questions[0].options} == {
        "03/04/2025 10:00 is 3 April 2025",
        "03/04/2025 10:00 is 4 March 2025",
    }
    answered = {"zone": "UTC", "event_time": {"format": "%d/%m/%Y %H:%M"}}
    assert asked(proposal_of(answered, timestamp=["03/04/2025 10:00", "01/02/2025 10:00", "02/01/2025 10:00"])) == []


# Units and marks of amounts -------------------------------------------------------------------------------------


def test_a_fraction_says_rupees() -> None:
    assert line(proposal_of(amount=["10", "12.5"]), "amount_paise")["unit"] == "rupees"


def test_the_name_of_a_column_says_the_unit() -> None:
    assert line(proposal_of(amount_inr=["10", "12"]), "amount_paise") == {"column": "amount_inr", "unit": "rupees"}
    assert line(proposal_of(amount_paise=["10", "12"]), "amount_paise") == "amount_paise"


def test_hundreds_throughout_say_paise() -> None:
    assert line(proposal_of(amount=[str(100 * (row % 40 + 1)) for row in range(100)]), "amount_paise") == "amount"


def test_whole_numbers_without_more_are_asked() -> None:
    proposal = proposal_of(amount=["10", "12", "199"])
    assert line(proposal, "amount_paise") == {"column": "amount", "unit": "?"}
    assert options(proposal) == ["rupees", "paise"]
    assert proposal.assumed()["amount_paise"] == {"column": "amount", "unit": "rupees"}


@pytest.mark.parametrize(
    ("amounts", "decimal"),
    [
        (["1,234.50", "5.00"], None),
        (["1.234,50", "5,00"], ","),
        (["12,34,567", "5"], None),
        (["1.234.567", "5"], ","),
        (["12,5", "1,25"], ","),
        (["1,234", "56", "2,500", "999", "12,000"], None),  # hundreds have no mark, thousands have one throughout
    ],
)
def test_values_say_which_mark_parts_the_fraction(amounts: list[str], decimal: str | None) -> None:
    proposal = proposal_of({"amount_paise": {"unit": "rupees"}}, amount=amounts)
    assert line(proposal, "amount_paise").get("decimal") == decimal
    assert asked(proposal) == []


def test_a_mark_that_can_be_either_is_asked() -> None:
    proposal = proposal_of({"amount_paise": {"unit": "rupees"}}, amount=["1,234", "5,678"])
    assert asked(proposal) == [("amount_paise", "decimal")]
    assert options(proposal) == [".", ","]


def test_a_minus_throughout_is_how_debits_are_written_and_some_are_only_told() -> None:
    assert line(proposal_of(amount=["-1.50", "-2.50"]), "amount_paise")["sign"] == "absolute"
    proposal = proposal_of(amount=["-1.50", "2.50"])
    assert "sign" not in line(proposal, "amount_paise")
    assert any("1 of 2 amounts of the sample are negative" in note for note in proposal.notes)


# Times -----------------------------------------------------------------------------------------------------------


def test_local_times_without_a_sign_of_their_place_are_asked() -> None:
    proposal = proposal_of(timestamp=["2025-03-01 10:00:00", "2025-03-02 11:00:00"])
    assert asked(proposal) == [("zone", None)]
    assert options(proposal) == ["Asia/Kolkata", "+00:00"]


@pytest.mark.parametrize(
    ("beside", "zone"),
    [
        ({"payer": ["a@okaxis", "b@ybl"], "sender_vpa": ["a@okaxis", "b@ybl"]}, "Asia/Kolkata"),
        ({"ifsc": ["HDFC0000001", "UTIB0000373"]}, "Asia/Kolkata"),
        ({"fee": ["₹ 5", "Rs 10"]}, "Asia/Kolkata"),
        ({"iban": ["DE02120300000000202051", "DE02500105170137075030"]}, "Europe/Berlin"),
        ({"unix_time": ["1740805200", "1740895200"]}, "+05:00"),
    ],
)
def test_the_rest_of_the_file_says_where_times_were_written(beside: dict[str, list[str]], zone: str) -> None:
    chosen = {"event_time": "timestamp"}
    proposal = proposal_of(chosen, timestamp=["2025-03-01 10:00:00", "2025-03-02 11:00:00"], **beside)
    assert line(proposal, "zone") == zone


@pytest.mark.parametrize(
    ("values", "factor"),
    [
        (["1740805200", "1740891600"], 1000),
        (["1740805200000", "1740891600000"], None),
        (["1740805200000000", "1740891600000000"], 0.001),
    ],
)
def test_the_size_of_a_number_says_its_unit(values: list[str], factor: float | None) -> None:
    proposal = proposal_of(timestamp=values)
    assert line(proposal, "event_time") == "timestamp"
    assert ("event_time" in proposal.scale) == (factor is not None)
    assert factor is None or proposal.scale["event_time"].value == factor


def test_a_step_whose_length_nobody_says_is_asked() -> None:
    proposal = proposal_of(step=["1", "1", "2"])
    assert asked(proposal) == [("event_time", "step")]
    assert options(proposal) == ["1h", "1s", "1d"]


def test_times_before_2015_lower_the_earliest() -> None:
    proposal = proposal_of(timestamp=["2012-03-01T10:00:00Z", "2012-03-02T10:00:00Z"])
    assert line(proposal, "earliest").year == 2011
    proposal = proposal_of(timestamp=["1738-03-01T10:00:00Z", "2012-03-02T10:00:00Z"])
    assert line(proposal, "earliest").year == 1970


def test_times_with_an_offset_that_are_no_rfc_3339_get_a_format() -> None:
    proposal = proposal_of(timestamp=["2025-03-01 10:00:00+0530", "2025-03-02 10:00:00+0530"])
    assert line(proposal, "event_time") == {"column": "timestamp", "format": "%Y-%m-%d %H:%M:%S%z"}
    assert asked(proposal) == []


# Parties, ids and labels -----------------------------------------------------------------------------------------


def test_addresses_whose_names_say_nothing_are_asked() -> None:
    proposal = proposal_of(payer=["x", "x"], payee=["x", "x"], a=["p@ybl", "q@ybl"], b=["r@axl", "s@axl"])
    assert line(proposal, "payer_vpa")
    renamed = {"txn_id": ["1", "2"], "when": ["2025-03-01T10:00:00Z"] * 2, "amount": ["1.5", "2.5"]}
    columns = renamed | {"a": ["p@ybl", "q@ybl"], "b": ["r@axl", "s@axl"]}
    made = propose(Sample({name: Column(name, values) for name, values in columns.items()}, 2))
    assert [question.target for question in made.questions] == ["payer_vpa", "payee_vpa"]
    assert [option.value for option in made.questions[0].options] == ["a", "b"]


def test_two_kinds_of_parties_get_two_handles_and_two_sides_of_one_kind_get_one() -> None:
    made = proposal_of(payer=["1", "2"], payee=["1", "2"])
    assert line(made, "payer_vpa")["handle"] == line(made, "payee_vpa")["handle"] == "party"
    columns = {"customer_id": ["1", "2"], "terminal_id": ["1", "2"]}
    made = propose(Sample({name: Column(name, values) for name, values in columns.items()}, 2))
    assert (line(made, "payer_vpa")["handle"], line(made, "payee_vpa")["handle"]) == ("customerid", "terminalid")


def test_an_id_that_comes_twice_is_none() -> None:
    proposal = proposal_of(txn_id=["1", "1", "2"])
    assert line(proposal, "transaction_id") == {"hash_of": ["timestamp", "payer", "payee", "amount"]}
    same = {"timestamp": "2025-03-01T10:00:00Z", "payer": "a", "payee": "b", "amount": "1.5", "txn_id": "1"}
    alike = proposal_of(**{name: [value] * 2 for name, value in same.items()})
    assert line(alike, "transaction_id") == {"row_number": "ROW-"}


@pytest.mark.parametrize(
    ("values", "fraud", "genuine"),
    [
        (["0", "1"], ["1"], ["0"]),
        (["0", "0"], ["1"], ["0"]),
        (["Yes", "No"], ["Yes"], ["No"]),
        (["N", "N"], ["Y"], ["N"]),
        ([True, False], ["true"], ["false"]),
        ([1, 0], ["1"], ["0"]),
        (["Fraudulent", "Legit"], ["Fraudulent"], ["Legit"]),
        (["GENUINE", "FRAUD"], ["FRAUD"], ["GENUINE"]),
    ],
)
def test_words_for_fraud_are_known(values: list[object], fraud: list[str], genuine: list[str]) -> None:
    made = line(proposal_of(is_fraud=values), "outcome")
    assert (made["fraud"], made["genuine"]) == (fraud, genuine)


def test_words_that_nobody_knows_are_asked_the_rarest_first() -> None:
    proposal = proposal_of(is_fraud=["blau"] * 5 + ["rot"])
    assert asked(proposal) == [("outcome", None)]
    assert options(proposal)[0] == {"column": "is_fraud", "fraud": ["rot"], "genuine": ["blau"]}


def test_a_flag_of_a_rule_is_no_outcome() -> None:
    proposal = proposal_of(isFlaggedFraud=["0", "1"])
    assert line(proposal, "outcome")["column"] == "is_fraud"


@pytest.mark.parametrize(
    ("span_ms", "delay"),
    [
        (400 * DAY_MS, "7d"),
        (35 * DAY_MS, "7d"),
        (31 * DAY_MS, "6d"),
        (10 * DAY_MS, "2d"),
        (DAY_MS, "4h"),
        (3_600_000, "12m"),
        (60_000, "12s"),
        (0, "1s"),
    ],
)
def test_the_delay_is_seven_days_or_a_fifth_of_the_span_and_never_nothing(span_ms: int, delay: str) -> None:
    assert delay_of(span_ms) == delay


def test_names_of_columns_cannot_break_the_map() -> None:
    names = ['a"b', "a\nb", "a\\b", "\u202ea", "\x7f", "#", "=", ""]
    columns = {f"{name}": [str(row) for row in range(40)] for name in names} | {"amount\x07": ["1.5"] * 40}
    text = map_text(propose(Sample({name: Column(name, values) for name, values in columns.items()}, 40)), 'a\n"file"')
    assert tomllib.loads(text)["amount_paise"]["column"] == "amount\x07"
