"""How a day's rows are found by each kind of thing that payments are searched by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, cast

from stream.verdict_store.door.asked import PAYEE_ACCOUNT, PAYER_ACCOUNT

if TYPE_CHECKING:
    from stream.verdict_store.door.asked import Kind


class Index(NamedTuple):
    """How a day's rows are found by one kind of thing."""

    suffix: str
    """Of its name, behind the name of the day's table."""
    expression: str
    cast: str
    condition: str
    """Of the rows that are in it."""


INDEXES: Final[dict[Kind, Index]] = {
    "rrn": Index("_rrn", "rrn", "bigint", "rrn IS NOT NULL"),
    "payer_vpa": Index("_payer_vpa", "payer_vpa", "text", ""),
    "payee_vpa": Index("_payee_vpa", "payee_vpa", "text", ""),
    **{
        kind: Index(f"_{kind}", f"({expression})", type_, f"{expression} IS NOT NULL")
        for kind, expression, type_ in cast(
            "tuple[tuple[Kind, str, str], ...]",
            (
                ("device", "device_hash(provenance)", "bytea"),
                ("payer_account", f"fact_hash(facts, '{PAYER_ACCOUNT}')", "bytea"),
                ("payee_account", f"fact_hash(facts, '{PAYEE_ACCOUNT}')", "bytea"),
            ),
        )
    },
}
