"""Names on the wire and the small codes that stand for them in columns; 0 is always: not given."""

from __future__ import annotations

from typing import Final

FLOWS: Final = ("", "P2P", "P2M")
P2P, P2M = 1, 2

TYPES: Final = ("", "PAY", "COLLECT")
PAY, COLLECT = 1, 2

INITIATIONS: Final = ("", "QR", "INTENT", "VPA", "CONTACT", "ACCOUNT", "MANDATE")
QR, INTENT, VPA, CONTACT, ACCOUNT, MANDATE = 1, 2, 3, 4, 5, 6

STATUSES: Final = ("", "INITIATED", "SUCCESS", "DECLINED", "REVERSED")
INITIATED, SUCCESS, DECLINED, REVERSED = 1, 2, 3, 4

TYPOLOGIES: Final = (
    "",
    "impersonation",
    "mule_fan_in",
    "device_takeover",
    "qr_phishing",
    "test_then_large",
    "screen_share",
    "dormant_payee",
    "merchant_collusion",
    "reused_payee",
)
"""Index 0 is an honest payment."""
HONEST = 0
(
    IMPERSONATION,
    MULE_FAN_IN,
    DEVICE_TAKEOVER,
    QR_PHISHING,
    TEST_THEN_LARGE,
    SCREEN_SHARE,
    DORMANT_PAYEE,
    MERCHANT_COLLUSION,
    REUSED_PAYEE,
) = range(1, 10)

LOOKALIKES: Final = (
    "",
    "rent",
    "bill",
    "wedding",
    "split_bill",
    "new_phone",
    "flash_sale",
    "large_first",
    "test_first",
    "emergency",
    "trader",
)
"""Honest stories that resemble a fraud; index 0 is none of them."""
(
    RENT,
    BILL,
    WEDDING,
    SPLIT_BILL,
    NEW_PHONE,
    FLASH_SALE,
    LARGE_FIRST,
    TEST_FIRST,
    EMERGENCY,
    TRADER,
) = range(1, 11)

OUTCOMES: Final = ("", "FRAUD", "GENUINE")
FRAUD, GENUINE = 1, 2

SOURCES: Final = ("", "customer", "bank", "helpline_1930", "review")
CUSTOMER, BANK, HELPLINE, REVIEW = 1, 2, 3, 4
