"""Labels: the newest report known at the time."""

from __future__ import annotations

from dataclasses import dataclass

from model.training.labels import Known, joined, label


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


def test_the_time_of_the_report_is_kept_of_frauds() -> None:
    reports = [fraud(b"b", 7), genuine(b"a", 3), fraud(b"c", 5), fraud(b"c", 6)]
    assert label([b"a", b"b", b"c"], reports).fraud_reported_at.tolist() == [7, 6]


def test_payments_labelled_in_parts_have_the_labels_of_the_whole() -> None:
    reports = [fraud(b"b", 7, "QR"), genuine(b"a", 3), fraud(b"d", 5)]
    ids = [b"a", b"b", b"c", b"d"]
    known, whole = Known(reports), label(ids, reports)
    parts = joined([known.of(ids[:2]), known.of([]), known.of(ids[2:])])
    assert parts.fraud.tolist() == whole.fraud.tolist()
    assert parts.fraud_reported_at.tolist() == whole.fraud_reported_at.tolist()
    assert (parts.typology, parts.reported) == (whole.typology, whole.reported)
    assert joined([]).fraud.tolist() == []
