"""Every type that crosses Kafka: payments and outcomes come in, alerts, resolutions and dead letters go out.

The JSON Schemas and the AsyncAPI document are generated from these types (`python -m stream.schemas`), so a change here
is a change of the public contract: docs/specs/messages.md. What is accepted of somebody else's bytes is
`stream.decode`'s affair, which is more lenient with optional fields than these types are.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

TRANSACTIONS = "transactions"
OUTCOMES = "outcomes"
ALERTS = "alerts"
RESOLUTIONS = "resolutions"
DEAD_LETTER_SUFFIX = ".dead-letter"
TRANSACTIONS_DEAD_LETTER = TRANSACTIONS + DEAD_LETTER_SUFFIX
OUTCOMES_DEAD_LETTER = OUTCOMES + DEAD_LETTER_SUFFIX

MAX_VALUE_BYTES = 64 * 1024
"""Longest value of a payment or an outcome. Real ones are half a kilobyte; the broker's own limit is about 1 MB."""

MAX_NESTING = 256
"""Deepest nesting of a payment or an outcome: far below where a parser that recurses would run out of stack."""

MAX_TRANSACTION_ID = 64
MAX_NAME = 128
"""Longest name of who ended a HOLD."""
MAX_RESOLUTION_REASON = 1000
"""Longest reason for ending a HOLD, in characters."""
MIN_VPA, MAX_VPA = 3, 255
MAX_AMOUNT_PAISE = 10**10
MAX_SHORT_TEXT = 64
MAX_EXTERNAL_SCORES = 8
MAX_MCC = 9999
MAX_RRN = 10**12 - 1
MAX_AHEAD_MS = 3_600_000
"""How far ahead of the clock an event_time may be: one hour."""

EARLIEST_TIME_MS = 1_420_070_400_000
"""2015-01-01T00:00:00Z, before there was UPI: an earlier event_time or reported_at has the wrong unit, seconds most
often. `UPIFRAUD_EARLIEST_TIME` lowers it."""

LAST_TIME_MS = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z, the last time that RFC 3339 can write in UTC."""

FORMAT_CHARACTERS = (
    "\\u00ad\\u0600-\\u0605\\u061c\\u06dd\\u070f\\u0890-\\u0891\\u08e2\\u180e\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u2064"
    "\\u2066-\\u206f\\ufeff\\ufff9-\\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
"""What Unicode calls Cf, for a regular expression: invisible, or changing the direction of what follows."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ALERT_NAMESPACE = uuid.UUID("6f0c1f0e-5b0b-5e0c-9c1b-0d6a3f1d2e7a")

TransactionId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_TRANSACTION_ID,
        pattern=r"^[^\u0000-\u001f\u007f-\u009f]*$",
        description="Printable characters, unique for 3 days.",
        examples=["AXB2f6d1c0e4b7a4d0f8b1e5c7a9d3f2b6e"],
    ),
]
Vpa = Annotated[
    str,
    Meta(
        min_length=MIN_VPA,
        max_length=MAX_VPA,
        pattern=rf"^[^@\s\u0000-\u001f\u007f-\u009f{FORMAT_CHARACTERS}]+@[^@\s\u0000-\u001f\u007f-\u009f{FORMAT_CHARACTERS}]+$",
        description="Virtual payment address: one @ with something on both sides, no white space, no control "
        "characters, none that are invisible or change direction; compared in lower case.",
        examples=["asha.rao@okaxis"],
    ),
]
EpochMs = Annotated[int, Meta(ge=0, le=LAST_TIME_MS, description="Epoch milliseconds.", examples=[1764000000123])]
Rfc3339 = Annotated[
    str,
    Meta(
        min_length=20,
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$",
        description="RFC 3339 with an offset, from 1970 on; cut to milliseconds.",
        examples=["2025-11-24T21:30:00.123+05:30"],
        extra_json_schema={"format": "date-time"},
    ),
]
UtcTime = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$",
        description="RFC 3339 in UTC with milliseconds.",
        examples=["2025-11-24T16:00:00.123Z"],
        extra_json_schema={"format": "date-time"},
    ),
]
Amount = Annotated[int, Meta(ge=1, le=MAX_AMOUNT_PAISE, description="Paise, an integer.", examples=[124300])]
Text = Annotated[str, Meta(min_length=1, pattern=r"^[^\u0000-\u001f\u007f-\u009f]*$")]
PersonName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_NAME,
        pattern=r"^[^\u0000-\u001f\u007f-\u009f]*$",
        description="Who decides: the name of a person or of a key.",
        examples=["asha.rao"],
    ),
]
HoldReason = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_RESOLUTION_REASON,
        pattern=r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$",
        description="Why a hold is ended, in that person's words. It goes to the switch: name no payer.",
        examples=["Customer confirmed the payment by phone."],
    ),
]
ShortText = Annotated[str, Meta(min_length=1, max_length=MAX_SHORT_TEXT, pattern=r"^[^\u0000-\u001f\u007f-\u009f]*$")]
Mobile = Annotated[
    str,
    Meta(
        pattern=r"^\+?[0-9]{10,15}$",
        description="10 to 15 digits; a leading + is ignored.",
        examples=["+919820012345"],
    ),
]
Ifsc = Annotated[
    str, Meta(min_length=11, max_length=11, pattern=r"^[^\u0000-\u001f\u007f-\u009f]*$", examples=["UTIB0000373"])
]
TwoCharacters = Annotated[str, Meta(min_length=2, max_length=2, pattern=r"^[^\u0000-\u001f\u007f-\u009f]*$")]
CodeNumber = Annotated[int, Meta(ge=0, le=MAX_MCC)]
CodeText = Annotated[str, Meta(pattern=r"^[0-9]{4}$")]
Rrn = Annotated[int, Meta(ge=0, le=MAX_RRN)]
Degrees90 = Annotated[float, Meta(ge=-90, le=90)]
Degrees180 = Annotated[float, Meta(ge=-180, le=180)]

Points = Annotated[int, Meta(ge=0, le=100)]

VerdictName = Literal["ALLOW", "REVIEW", "HOLD", "BLOCK"]
FeatureStateName = Literal["FULL", "COLD", "LATE", "DEGRADED"]
OutcomeName = Literal["FRAUD", "GENUINE"]
ActionName = Literal["RELEASE", "REJECT"]
CauseName = Literal["PERSON", "EXPIRY"]


class RejectionReason(StrEnum):
    """Why a record became a dead letter: the header `reason` and a metric's label."""

    NOT_JSON = "not-json"
    NOT_AN_OBJECT = "not-an-object"
    MISSING_FIELD = "missing-field"
    WRONG_TYPE = "wrong-type"
    OUT_OF_RANGE = "out-of-range"
    BAD_VPA = "bad-vpa"
    BAD_TIME = "bad-time"
    TIME_IN_FUTURE = "time-in-future"
    CONFLICTING_DUPLICATE = "conflicting-duplicate"
    NULL_VALUE = "null-value"
    TOO_LARGE = "too-large"


class ExternalScore(Struct, frozen=True):
    """What somebody else thinks of the payment, as UPI's RiskScores say it."""

    provider: Annotated[ShortText, Meta(examples=["NPCI"])]
    type: Annotated[ShortText, Meta(examples=["TXNRISK"])]
    value: Annotated[float, Meta(ge=0, le=100)]


ExternalScores = Annotated[tuple[ExternalScore, ...], Meta(max_length=MAX_EXTERNAL_SCORES)]


def fact(short: str, *, hashed: bool = False) -> Meta:
    """Say that a field is kept with the verdict, under a short key; hashed: as a keyed hash and its last characters.

    Facts that are stored have the key, so it stays the field's for ever: no other may have it, even if this one goes.
    See `stream.facts`.
    """
    return Meta(extra={"fact": short, "hashed": hashed})


class Payment(Struct, frozen=True, kw_only=True):
    """One UPI payment as a switch publishes it; a missing or null optional field is unknown, others are ignored.

    In short keys of facts, p is the payer and q the payee.
    """

    transaction_id: TransactionId
    event_time: Annotated[
        EpochMs | Rfc3339,
        Meta(description="Time of initiation, the same in every later status; from 2015 on, unless that was lowered."),
    ]
    payer_vpa: Vpa
    payee_vpa: Vpa
    amount_paise: Amount
    rrn: Annotated[Text | Rrn | None, fact("r")] = None
    flow: Annotated[Literal["P2P", "P2M"] | None, fact("f")] = None
    type: Annotated[Literal["PAY", "COLLECT"] | None, fact("t")] = None
    initiation: Annotated[Literal["QR", "INTENT", "VPA", "CONTACT", "ACCOUNT", "MANDATE"] | None, fact("i")] = None
    status: Annotated[Literal["INITIATED", "SUCCESS", "DECLINED", "REVERSED"] | None, fact("s")] = None
    mcc: Annotated[CodeNumber | CodeText | None, Meta(description="Merchant category, ISO 18245."), fact("m")] = None
    device_id: Annotated[Text | None, fact("d", hashed=True)] = None
    device_bound_at: Annotated[EpochMs | Rfc3339 | None, fact("db")] = None
    sim_changed_at: Annotated[EpochMs | Rfc3339 | None, fact("sc")] = None
    payer_bank: Annotated[Text | None, fact("pb")] = None
    payee_bank: Annotated[Text | None, fact("qb")] = None
    latitude: Degrees90 | None = None
    longitude: Degrees180 | None = None
    payer_app: Annotated[Text | None, fact("a")] = None
    remarks_hash: Text | None = None
    payer_account: Annotated[ShortText | None, fact("pa", hashed=True)] = None
    payee_account: Annotated[ShortText | None, fact("qa", hashed=True)] = None
    payer_mobile: Annotated[Mobile | None, fact("pm", hashed=True)] = None
    payee_mobile: Annotated[Mobile | None, fact("qm", hashed=True)] = None
    payer_ifsc: Annotated[Ifsc | None, fact("pi")] = None
    payee_ifsc: Annotated[Ifsc | None, fact("qi")] = None
    payer_type: Annotated[Literal["PERSON", "ENTITY"] | None, fact("pt")] = None
    payee_type: Annotated[Literal["PERSON", "ENTITY"] | None, fact("qt")] = None
    account_type: Annotated[ShortText | None, Meta(description="As SAVINGS, CREDIT, PPIWALLET."), fact("at")] = None
    initiation_mode: Annotated[TwoCharacters | None, Meta(description="As in the UPI specification."), fact("im")] = (
        None
    )
    purpose: Annotated[TwoCharacters | None, Meta(description="As in the UPI specification."), fact("pu")] = None
    ref_category: Annotated[ShortText | None, fact("rc")] = None
    auth_type: Annotated[ShortText | None, Meta(description="As PIN, BIOMETRIC, PREAPPROVED."), fact("au")] = None
    response_code: Annotated[ShortText | None, fact("rs")] = None
    original_transaction_id: Annotated[
        ShortText | None, Meta(description="The payment that this one refunds or reverses."), fact("ot")
    ] = None
    mandate_id: Annotated[ShortText | None, fact("ma")] = None
    merchant_id: Annotated[ShortText | None, fact("mi")] = None
    device_type: Annotated[ShortText | None, Meta(description="As MOB, INET, USDC, POS."), fact("dt")] = None
    device_os: Annotated[ShortText | None, fact("os")] = None
    ip: Annotated[ShortText | None, fact("ip")] = None
    on_call: Annotated[bool | None, Meta(description="Whether the payer was on a call."), fact("oc")] = None
    screen_shared: Annotated[bool | None, Meta(description="Whether the payer shared the screen."), fact("ss")] = None
    payee_added_at: Annotated[EpochMs | Rfc3339 | None, fact("ad")] = None
    payer_segment: Annotated[ShortText | None, Meta(description="As SENIOR, DISABLED."), fact("sg")] = None
    external_scores: Annotated[ExternalScores | None, fact("xs")] = None


class Outcome(Struct, frozen=True, kw_only=True):
    """What a case system found out about a payment; the newest reported_at stands, ties by offset."""

    transaction_id: TransactionId
    outcome: OutcomeName
    reported_at: Annotated[EpochMs | Rfc3339, Meta(description="From 2015 on, unless that was lowered.")]
    typology: Text | None = None
    source: Text | None = None


class Reason(Struct, frozen=True, kw_only=True):
    """One feature's share in a score, in a case worker's words; of an ALLOW in a program's words alone, by default."""

    feature: Annotated[str, Meta(description="Feature name.", examples=["payer_count_5m"])]
    code: Annotated[str, Meta(description="Stable reason code.")]
    value: Annotated[float | None, Meta(description="The feature's value; null where it is missing.")] | UnsetType = (
        UNSET
    )
    usual: (
        Annotated[float | None, Meta(description="What is usual for this payer; null where it is not known.")]
        | UnsetType
    ) = UNSET
    contribution: Annotated[float, Meta(description="Exact SHAP value in log-odds; positive towards fraud.")]
    text: Annotated[str, Meta(description="A sentence for a case worker.")] | UnsetType = UNSET

    @property
    def words(self) -> str:
        """The sentence; without one, the feature and the code."""
        return f"{self.feature} ({self.code})" if isinstance(self.text, UnsetType) else self.text


class ModelDecision(Struct, frozen=True, kw_only=True):
    """What the model alone would have done."""

    verdict: VerdictName
    threshold: Annotated[
        float | None, Meta(description="Least score that gives this verdict; null for ALLOW, which needs none.")
    ]


class FiredRule(Struct, frozen=True, kw_only=True):
    """A rule of the policy that fired, with the values that it saw."""

    id: str
    effect: str
    text: str
    values: dict[str, bool | int | float | str | None]


class ListHit(Struct, frozen=True, kw_only=True):
    """An entry of a list that the payment was found on."""

    list: str
    entry_id: str
    effect: str
    source: str | None


class Decision(Struct, frozen=True, kw_only=True):
    """All that decided: the model, then what raised or lowered its verdict, with the values it saw."""

    verdict: VerdictName
    model: ModelDecision
    rules: tuple[FiredRule, ...] = ()
    lists: tuple[ListHit, ...] = ()
    external: tuple[ExternalScore, ...] = ()


class Alert(Struct, frozen=True, kw_only=True):
    """A verdict with its reasons; sent again it is identical, byte for byte."""

    alert_id: Annotated[
        str, Meta(description="A pure function of transaction_id.", extra_json_schema={"format": "uuid"})
    ]
    transaction_id: TransactionId
    event_time: UtcTime
    decided_at: UtcTime
    verdict: VerdictName
    score: Annotated[float, Meta(ge=0, le=1, description="Calibrated probability of fraud.")]
    margin: Annotated[float, Meta(description="Log-odds before calibration: base_value plus all contributions.")]
    base_value: float
    reasons: Annotated[tuple[Reason, ...], Meta(description="Strongest first, by contribution towards fraud.")]
    payer_vpa: Annotated[str, Meta(description="Lower case.")]
    payee_vpa: Annotated[str, Meta(description="Lower case.")]
    amount_paise: Amount
    feature_state: FeatureStateName
    model_id: str
    schema_hash: str
    # From here on since 1.1: not there in alerts from before, which stay as they are, byte for byte.
    policy_id: (
        Annotated[str | None, Meta(description="The policy in force; null where the model alone decides.")] | UnsetType
    ) = UNSET
    risk_score: (
        Annotated[
            Points | None,
            Meta(
                description="The score's place among all payments: 20 points more means ten times fewer score as high. "
                "Null with an artifact that has no map for it."
            ),
        ]
        | UnsetType
    ) = UNSET
    hold_until: (
        Annotated[
            UtcTime | None,
            Meta(description="When a HOLD ends unless a person ends it earlier; null where it has no end."),
        ]
        | UnsetType
    ) = UNSET
    decision: Decision | UnsetType = UNSET


class Resolution(Struct, frozen=True, kw_only=True):
    """How a HOLD ended: one at most for each, whoever asks how often; sent again it is identical, byte for byte."""

    transaction_id: TransactionId
    event_time: Annotated[UtcTime, Meta(description="Of the payment: it tells payments apart that share an id.")]
    action: Annotated[ActionName, Meta(description="RELEASE: let the payment go on. REJECT: decline it.")]
    cause: Annotated[CauseName, Meta(description="PERSON: somebody decided. EXPIRY: hold_until passed.")]
    by: Annotated[PersonName | None, Meta(description="Who decided; null at an EXPIRY.")]
    at: Annotated[UtcTime, Meta(description="When it was decided; at an EXPIRY the end of the hold, its hold_until.")]
    reason: Annotated[HoldReason | None, Meta(description="Why, in that person's words; null at an EXPIRY.")]


class DeadLetterHeaders(Struct, frozen=True, kw_only=True, rename="kebab"):
    """What a dead letter's headers say beside the original's own: UTF-8 text, numbers in decimal."""

    reason: RejectionReason
    detail: Annotated[str, Meta(description="The field and what was expected of it; never the value that came.")]
    source_topic: str
    source_partition: Annotated[str, Meta(pattern="^[0-9]+$")]
    source_offset: Annotated[str, Meta(pattern="^[0-9]+$")]
    value_omitted: (
        Annotated[
            str,
            Meta(
                pattern="^[0-9]+$",
                description="Only where the broker refused the original as too large: its length in bytes. "
                "The dead letter then has an empty value, and the origin says where the original is.",
            ),
        ]
        | UnsetType
    ) = UNSET


def alert_id(transaction_id: str) -> str:
    """Return the one id that every alert for this payment has, whoever sends it and when: a version 5 UUID."""
    digest = hashlib.sha1(ALERT_NAMESPACE.bytes + transaction_id.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]  # by hand at half the cost of uuid5
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def utc_time(epoch_ms: int) -> str:
    """Write a time the one way alerts write it: RFC 3339 in UTC, always with three digits of milliseconds."""
    return f"{(_EPOCH + timedelta(milliseconds=epoch_ms)).isoformat(timespec='milliseconds')[:-6]}Z"


_encoder = msgspec.json.Encoder()
_alert_decoder = msgspec.json.Decoder(Alert)
_resolution_decoder = msgspec.json.Decoder(Resolution)


def encode_alert(alert: Alert) -> bytes:
    """Return the alert's JSON; equal alerts give equal bytes, fields in the order of the type."""
    return _encoder.encode(alert)


def decode_alert(value: bytes) -> Alert:
    """Return the alert that `encode_alert` wrote; raises msgspec.DecodeError for anything else."""
    return _alert_decoder.decode(value)


def encode_resolution(resolution: Resolution) -> bytes:
    """Return the resolution's JSON; equal ones give equal bytes, fields in the order of the type."""
    return _encoder.encode(resolution)


def decode_resolution(value: bytes) -> Resolution:
    """Return the resolution that `encode_resolution` wrote; raises msgspec.DecodeError for anything else."""
    return _resolution_decoder.decode(value)


def dead_letter_topic(source_topic: str) -> str:
    """Name the topic that takes the dead letters of `source_topic`."""
    return source_topic + DEAD_LETTER_SUFFIX
