"""Names of columns: their words, and which field of a message they speak of."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_PART: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_CAMEL: Final = re.compile(r"[A-Z]{2,}s?$")

# Written together in names of columns that are found often; kept apart they would match nothing.
_TOGETHER: Final = (
    ("timestamp", ("timestamp",)),
    ("datetime", ("date", "time")),
    ("merchantid", ("merchant", "id")),
    ("customerid", ("customer", "id")),
    ("userid", ("user", "id")),
    ("deviceid", ("device", "id")),
    ("transactionid", ("transaction", "id")),
    ("txnid", ("txn", "id")),
    ("isfraud", ("is", "fraud")),
    ("unixtime", ("unix", "time")),
)


def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case, accents folded: `nameOrig`, `name_orig` and `Name Orig` are alike."""
    plain = unicodedata.normalize("NFKD", name)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter)).replace("ß", "ss")
    words: list[str] = []
    for part in _PART.findall(plain):
        lower = part.lower()
        words += dict(_TOGETHER).get(lower, (lower,))
    return tuple(words)


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a name must say for a field."""

    whole: frozenset[str] = frozenset()
    """Names, words joined by blanks, that mean the field for certain."""
    words: dict[str, float] = field(default_factory=dict)
    """What each word is worth; the best one counts."""
    boosts: dict[str, float] = field(default_factory=dict)
    """What is added for words that say more."""
    never: frozenset[str] = frozenset()
    """Words of which one is enough to mean something else."""

    def worth(self, words: tuple[str, ...]) -> float:
        """Return how surely a name speaks of the field: 0 not at all, 1 for certain."""
        if " ".join(words) in self.whole:
            return 1.0
        if not self.never.isdisjoint(words):
            return 0.0
        best = max((self.words.get(word, 0.0) for word in words), default=0.0)
        if not best:
            return 0.0
        more = sum(self.boosts.get(word, 0.0) for word in set(words))
        return max(0.0, min(0.95, best + more - 0.02 * max(0, len(words) - 2)))


def _whole(names: Iterable[str]) -> frozenset[str]:
    return frozenset(" ".join(words_of(name)) for name in names)


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _each(worth: float, words: str) -> dict[str, float]:
    return dict.fromkeys(words.split(), worth)


_ATTRIBUTE: Final = _set(
    "bank state city town region zip pincode pin lat latitude long lon longitude lng age group category cat gender sex "
    "job dob balance bal oldbalance newbalance country nation ifsc mobile phone email domain domains device ip browser "
    "os location risk score rating count cnt avg mean sum total limit currency status flag name1 segment population "
    "pop type kind since dt date time day month year hour fraud fraudulent label amount amt distance velocity "
    "frequency "
    "first last street address2 district mcc code segment channel app kyc tier verified new old known days history "
    "previous prior income occupation"
)
_PAYER_ONLY: Final = (
    "payer sender remitter debitor debtor orig origin originator source src from cardholder drawer ordering"
)
_PAYEE_ONLY: Final = (
    "payee receiver recipient beneficiary benef bene dest destination to creditor merchant terminal seller vendor shop "
    "store biller counterparty target merch"
)
_PARTY_BOOSTS: Final = (
    _each(0.15, "vpa upi") | _each(0.08, "id account acct acc num no number iban handle addr") | _each(0.02, "name")
)

PAYER: Final = Spoken(
    _whole(
        ["payer_vpa", "sender_upi", "sender_upi_id", "payer_upi", "nameOrig", "upi_id_sender", "Payer.addr", "from"]
    ),
    _each(0.8, _PAYER_ONLY)
    | _each(0.7, "auftraggeber zahler zahlungspflichtiger customer client kunde card cc")
    | _each(0.55, "user cust member uid holder person debit")
    | _each(0.35, "account acct iban konto vpa upi"),
    _PARTY_BOOSTS,
    _ATTRIBUTE | frozenset(_PAYEE_ONLY.split()) | {"cvv", "expiry", "expire", "present", "credit", "reference", "ref"},
)
PAYEE: Final = Spoken(
    _whole(
        ["payee_vpa", "receiver_upi", "receiver_upi_id", "payee_upi", "nameDest", "upi_id_receiver", "Payee.addr", "to"]
    ),
    _each(0.8, _PAYEE_ONLY)
    | _each(0.75, "empfanger zahlungsempfanger begunstigter zahlungsbeteiligter")
    | _each(0.55, "credit"),
    _PARTY_BOOSTS,
    _ATTRIBUTE | frozenset(_PAYER_ONLY.split()) | {"card", "debit", "reference", "ref"},
)
TRANSACTION_ID: Final = Spoken(
    _whole(
        [
            "transaction_id",
            "txn_id",
            "trans_num",
            "trans_id",
            "tx_id",
            "id",
            "payment_id",
            "utr",
            "uuid",
            "message_id",
            "transaction_number",
            "txn_no",
            "transaction_ref",
            "txn_ref",
            "reference_number",
            "ref_no",
            "transaction reference",
            "order_id",
            "transaktionsnummer",
            "referenz",
            "Txn.id",
            "transaction",
        ]
    ),
    _each(0.6, "transaction txn trans tx payment transfer transaktion")
    | _each(0.55, "utr reference ref referenz referenznummer")
    | _each(0.4, "id uuid guid"),
    _each(0.25, "id num number no ref uuid") | _each(0.1, "reference"),
    _set(
        "amount amt date time type kind status category fraud label hour day month year timestamp dt user customer "
        "merchant device account card cust client payer payee sender receiver upi vpa original orig parent terminal "
        "mode channel currency location city lat long count description desc bank code index scenario session ip "
        "velocity frequency"
    ),
)
EVENT_TIME: Final = Spoken(
    _whole(
        [
            "event_time",
            "timestamp",
            "time",
            "datetime",
            "date_time",
            "transaction_time",
            "txn_time",
            "transaction_date",
            "txn_date",
            "trans_date_trans_time",
            "transaction_timestamp",
            "unix_time",
            "created_at",
            "created",
            "ts",
            "when",
            "TX_DATETIME",
            "payment_time",
            "initiated_at",
            "step",
            "TransactionDT",
            "date",
            "buchungstag",
            "Txn Date",
        ]
    ),
    _each(0.75, "timestamp datetime")
    | _each(0.6, "time date dt buchungstag buchungsdatum datum zeitpunkt")
    | _each(0.5, "created initiated when zeit uhrzeit step ts"),
    _each(0.2, "transaction txn trans tx payment event") | _each(0.1, "timestamp"),
    _set(
        "birth dob bound sim reported report updated update settled settlement value expiry expire account opened "
        "joined since last previous prior first of week valuta wertstellung registration signup diff delta elapsed gap "
        "between fraud added open complaint chargeback delivered kyc"
    ),
)
AMOUNT: Final = Spoken(
    _whole(
        [
            "amount_paise",
            "amount",
            "amt",
            "amount (INR)",
            "transaction_amount",
            "TransactionAmt",
            "txn_amount",
            "TX_AMOUNT",
            "value",
            "betrag",
            "rupees",
            "amount_inr",
            "paise",
            "umsatz",
            "Txn.amount",
        ]
    ),
    _each(0.75, "amount amt betrag") | _each(0.6, "rupees paise umsatz inr rs") | _each(0.45, "value sum debit"),
    _each(0.1, "transaction txn tx trans payment inr rs rupees paise"),
    _set(
        "avg average mean max min total std dev balance bal limit ratio last previous prior per fee tax charge diff "
        "change zscore deviation daily weekly monthly count id vpa account acct date percentile cashback"
    ),
)
OUTCOME: Final = Spoken(
    _whole(
        [
            "outcome",
            "is_fraud",
            "fraud",
            "label",
            "class",
            "isFraud",
            "fraud_flag",
            "fraud_label",
            "TX_FRAUD",
            "Is Fraud?",
            "fraudulent",
            "is_fraudulent",
            "fraud_bool",
            "Fraud (Y/N)",
            "target",
            "betrug",
            "fraud_reported",
            "y",
        ]
    ),
    _each(0.75, "fraud fraudulent betrug chargeback") | _each(0.5, "label outcome class target genuine"),
    _each(0.1, "is flag label bool"),
    _set(
        "score probability prob risk count rate history previous prior reason scenario kind category type date time at "
        "flagged predicted prediction on by"
    ),
)
"""A flag of a rule (`isFlaggedFraud`) is no outcome: it was there before anything was known."""

REPORTED_AT: Final = Spoken(
    _whole(
        [
            "reported_at",
            "fraud_reported_at",
            "report_date",
            "reported_on",
            "chargeback_date",
            "label_time",
            "fraud_date",
        ]
    ),
    _each(0.7, "reported report chargeback complaint dispute confirmed"),
    _each(0.2, "at date time on timestamp"),
    _set("by is flag reason id amount count score status"),
)

OPTIONAL: Final = {
    "typology": Spoken(_whole(["typology", "fraud_type", "fraud_category", "TX_FRAUD_SCENARIO", "fraud_scenario"])),
    "rrn": Spoken(_whole(["rrn", "retrieval_reference_number", "rrn_no"])),
    "mcc": Spoken(_whole(["mcc", "merchant_category_code", "mcc_code", "Payee.code"])),
    "flow": Spoken(_whole(["flow", "transaction_type", "txn_type", "type", "payment_type"])),
    "type": Spoken(_whole(["type", "transaction_type", "txn_type", "Txn.type"])),
    "initiation": Spoken(_whole(["initiation", "initiation_type"])),
    "status": Spoken(_whole(["status", "transaction_status", "txn_status"])),
    "device_id": Spoken(
        _whole(["device_id", "device", "device_fingerprint", "Payer.Device.id", "imei", "device_hash"])
    ),
    "device_bound_at": Spoken(_whole(["device_bound_at"])),
    "sim_changed_at": Spoken(_whole(["sim_changed_at"])),
    "payee_added_at": Spoken(_whole(["payee_added_at", "beneficiary_added_at"])),
    "payer_bank": Spoken(_whole(["payer_bank", "sender_bank", "remitter_bank", "bank_sender", "issuer_bank"])),
    "payee_bank": Spoken(
        _whole(["payee_bank", "receiver_bank", "beneficiary_bank", "bank_receiver", "recipient_bank"])
    ),
    "payer_app": Spoken(_whole(["payer_app", "upi_app", "app", "payment_app"])),
    "latitude": Spoken(_whole(["latitude", "lat", "merch_lat", "location_lat", "merchant_lat", "geo_lat"])),
    "longitude": Spoken(
        _whole(
            [
                "longitude",
                "long",
                "lon",
                "lng",
                "merch_long",
                "location_long",
                "merchant_long",
                "geo_lon",
                "location_lon",
                "merch_lon",
                "merchant_lon",
                "geo_long",
            ]
        )
    ),
    "payer_account": Spoken(_whole(["payer_account", "sender_account", "remitter_account"])),
    "payee_account": Spoken(_whole(["payee_account", "receiver_account", "beneficiary_account"])),
    "payer_ifsc": Spoken(_whole(["payer_ifsc", "sender_ifsc", "remitter_ifsc"])),
    "payee_ifsc": Spoken(_whole(["payee_ifsc", "receiver_ifsc", "beneficiary_ifsc"])),
    "payer_mobile": Spoken(_whole(["payer_mobile", "sender_mobile", "sender_phone", "remitter_mobile"])),
    "payee_mobile": Spoken(_whole(["payee_mobile", "receiver_mobile", "receiver_phone", "beneficiary_mobile"])),
    "merchant_id": Spoken(_whole(["merchant_id"])),
    "device_type": Spoken(_whole(["device_type"])),
    "device_os": Spoken(_whole(["device_os", "os"])),
    "ip": Spoken(_whole(["ip", "ip_address", "ip_addr"])),
}
"""Fields that a payment can do without: a name that is not just theirs proposes nothing."""
