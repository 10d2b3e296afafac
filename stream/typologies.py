"""The typologies that fraud is counted by: a short list, because what outcomes say is free text from outside."""

from __future__ import annotations

from typing import Final

KNOWN: Final = frozenset(
    {
        "impersonation",
        "mule_fan_in",
        "device_takeover",
        "qr_phishing",
        "test_then_large",
        "screen_share",
        "dormant_payee",
        "merchant_collusion",
        "reused_payee",
    }
)
OTHER: Final = "other"
UNKNOWN: Final = "unknown"
ALL: Final = KNOWN | {OTHER, UNKNOWN}


def metric_label(typology: str | None) -> str:
    """Return a known typology as it is, however it is written; `other` for any other and `unknown` for none."""
    if typology is None or not typology.strip():
        return UNKNOWN
    name = typology.strip().lower().replace("-", "_").replace(" ", "_")
    return name if name in KNOWN else OTHER
