"""Every feature, declared as data. The vector, its schema hash, the kernels' program and the docs follow from here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from features.windows import WINDOWS


class Entity(IntEnum):
    """Whose log a windowed feature is measured over."""

    PAYER = 0
    PAYEE = 1
    DEVICE = 2


class Aggregation(IntEnum):
    """What is measured over the payments of a window, the payment itself included."""

    COUNT = 0
    SUM = 1
    MEAN = 2
    STD = 3
    MAX = 4
    DISTINCT = 5


class Plain(IntEnum):
    """Features that are not of the form entity, aggregation, window; each has its own lines in the kernel."""

    AMOUNT_PAISE = 0
    HOUR_OF_DAY = 1
    IS_NIGHT = 2
    IS_P2M = 3
    IS_COLLECT = 4
    INITIATION = 5
    SAME_BANK = 6
    DEVICE_AGE_SECONDS = 7
    SIM_AGE_SECONDS = 8
    PAYER_SECONDS_SINCE_LAST = 9
    PAYER_SECONDS_SINCE_FIRST = 10
    PAYER_AMOUNT_Z_30D = 11
    PAYER_AMOUNT_RATIO_MEAN_30D = 12
    PAYER_AMOUNT_RATIO_MAX_30D = 13
    PAYER_PAYEE_SECONDS_SINCE_LAST = 14
    PAYER_PAYEE_COUNT_30D = 15
    PAYEE_SECONDS_SINCE_FIRST = 16
    PAYEE_SECONDS_SINCE_LAST = 17
    PAYER_INBOUND_SUM_1H = 18
    PAYER_PASS_THROUGH_RATIO_1H = 19
    DEVICE_SECONDS_SINCE_FIRST = 20
    PAYER_NEW_DEVICE = 21
    PAYER_SPEED_KMH = 22
    PAYEE_FRAUD_RATE_30D = 23
    DEVICE_FRAUD_RATE_30D = 24


@dataclass(frozen=True, slots=True)
class Feature:
    """One entry of the vector: either windowed (entity, aggregation, window) or plain."""

    name: str
    meaning: str
    entity: Entity | None = None
    aggregation: Aggregation | None = None
    window: str | None = None
    plain: Plain | None = None


_COUNTERPARTY: Final = {Entity.PAYER: "payee", Entity.PAYEE: "payer", Entity.DEVICE: "payer"}

_MEANING: Final = {
    Aggregation.COUNT: "payments of the {entity} in the last {window}",
    Aggregation.SUM: "paise moved by the {entity} in the last {window}",
    Aggregation.MEAN: "mean paise of the {entity}'s payments in the last {window}",
    Aggregation.STD: "standard deviation, n in the denominator, of the {entity}'s paise in the last {window}",
    Aggregation.MAX: "largest payment of the {entity} in the last {window}, in paise",
    Aggregation.DISTINCT: "different {other}s of the {entity} in the last {window}",
}


def windowed(entity: Entity, aggregation: Aggregation, *windows: str) -> tuple[Feature, ...]:
    """Declare one aggregation of an entity over the named windows; over all of them if none is named."""
    who, other = entity.name.lower(), _COUNTERPARTY[entity]
    what = aggregation.name.lower() + (f"_{other}" if aggregation is Aggregation.DISTINCT else "")
    return tuple(
        Feature(
            name=f"{who}_{what}_{window}",
            meaning=_MEANING[aggregation].format(entity=who, other=other, window=window),
            entity=entity,
            aggregation=aggregation,
            window=window,
        )
        for window in windows or WINDOWS
    )


def plain(op: Plain, meaning: str) -> Feature:
    """Declare a feature that the kernel computes by its own lines; its name is the operation's."""
    return Feature(name=op.name.lower(), meaning=meaning, plain=op)


FEATURES: Final[tuple[Feature, ...]] = (
    plain(Plain.AMOUNT_PAISE, "amount of the payment, in paise"),
    plain(Plain.HOUR_OF_DAY, "hour of the day in India, 0 to 23"),
    plain(Plain.IS_NIGHT, "1 between 23:00 and 05:00 in India"),
    plain(Plain.IS_P2M, "1 if a merchant is paid, 0 if a person"),
    plain(Plain.IS_COLLECT, "1 if the payee asked for the payment"),
    plain(Plain.INITIATION, "how the payee was addressed, as a number"),
    plain(Plain.SAME_BANK, "1 if payer and payee bank with the same bank"),
    plain(Plain.DEVICE_AGE_SECONDS, "seconds since the payer's account was bound to the device"),
    plain(Plain.SIM_AGE_SECONDS, "seconds since the payer's SIM changed"),
    *windowed(Entity.PAYER, Aggregation.COUNT),
    *windowed(Entity.PAYER, Aggregation.SUM),
    *windowed(Entity.PAYER, Aggregation.MEAN),
    *windowed(Entity.PAYER, Aggregation.MAX),
    *windowed(Entity.PAYER, Aggregation.STD, "30d"),
    *windowed(Entity.PAYER, Aggregation.DISTINCT),
    plain(Plain.PAYER_SECONDS_SINCE_LAST, "seconds since the payer's latest earlier payment"),
    plain(Plain.PAYER_SECONDS_SINCE_FIRST, "seconds since the payer was first seen"),
    plain(Plain.PAYER_AMOUNT_Z_30D, "standard deviations above the mean of the payer's earlier 30 days"),
    plain(Plain.PAYER_AMOUNT_RATIO_MEAN_30D, "amount over the mean of the payer's earlier 30 days"),
    plain(Plain.PAYER_AMOUNT_RATIO_MAX_30D, "amount over the largest of the payer's earlier 30 days"),
    plain(Plain.PAYER_PAYEE_SECONDS_SINCE_LAST, "seconds since the payer last paid this payee; missing if never"),
    plain(Plain.PAYER_PAYEE_COUNT_30D, "payments of the payer to this payee in 30 days"),
    plain(Plain.PAYER_SPEED_KMH, "speed from the payer's last known place to this one"),
    plain(Plain.PAYER_INBOUND_SUM_1H, "paise the payer received within the last hour"),
    plain(Plain.PAYER_PASS_THROUGH_RATIO_1H, "paise sent over paise received within the last hour"),
    *windowed(Entity.PAYEE, Aggregation.COUNT),
    *windowed(Entity.PAYEE, Aggregation.DISTINCT),
    plain(Plain.PAYEE_SECONDS_SINCE_FIRST, "seconds since the payee was first paid"),
    plain(Plain.PAYEE_SECONDS_SINCE_LAST, "seconds since the payee was last paid"),
    plain(Plain.PAYEE_FRAUD_RATE_30D, "payments confirmed as fraud in 30 days, over payments to the payee"),
    *windowed(Entity.DEVICE, Aggregation.COUNT),
    *windowed(Entity.DEVICE, Aggregation.DISTINCT),
    plain(Plain.DEVICE_SECONDS_SINCE_FIRST, "seconds since the device was first seen"),
    plain(Plain.PAYER_NEW_DEVICE, "1 if the payer has not paid from this device before"),
    plain(Plain.DEVICE_FRAUD_RATE_30D, "payments confirmed as fraud in 30 days, over payments of the device"),
)
"""The vector, in order."""
