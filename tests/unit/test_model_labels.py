"""Labels: the newest report known at the time."""

from __future__ import annotations

from dataclasses import dataclass

from model.training.labels import label


@dataclass(frozen=True)
class Report:
    transaction_id: bytes
    is_fraud: bool
    reported_at: int
    typology: str | None = None


def fraud(transaction_id: bytes, reported_at: int, typology: str | None = None) -> Report:
    return Report(transaction_id, is_fraud=True, reported_at=reported_at, typology=typology)


def genuine(transaction_id: bytes, reported_at: int) -> Report:
    return Report(transaction_id, is_fraud=False, reported_at=reported_at)


def test_the_newest_report_stands_in_whatever_order_they_come() -> None:
    reports = [
        fraud(b"a", 20, "QR"),
        genuine(b"a", 10),
        fraud(b"b", 10, "QR"),
        genuine(b"b", 20),
    ]
    for order in (reports, reports[::-1]):
        labels = label([b"a", b"b"], order)
        assert labels.fraud.tolist() == [True, False]
        assert labels.typology == ["QR", None]


def test_of_equal_times_the_later_offset_stands() -> None:
    assert label([b"a"], [fraud(b"a", 5), genuine(b"a", 5)]).fraud.tolist() == [False]
    assert label([b"a"], [genuine(b"a", 5), fraud(b"a", 5)]).fraud.tolist() == [True]


def test_what_was_reported_later_is_not_known() -> None:
    reports = [genuine(b"a", 10), fraud(b"a", 20)]
    assert label([b"a"], reports, reported_before=20).fraud.tolist() == [False]
    assert label([b"a"], reports, reported_before=21).fraud.tolist() == [True]


def test_a_payment_without_a_report_is_genuine() -> None:
    labels = label([b"a", b"b"], [fraud(b"b", 1), fraud(b"of another history", 1)])
    assert labels.fraud.tolist() == [False, True]
    assert labels.reported == 1
