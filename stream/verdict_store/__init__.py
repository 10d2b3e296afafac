"""Claims, verdicts and outcomes in PostgreSQL: one verdict a payment, whatever is delivered again.

docs/specs/verdict_store.md has the tables and what they promise.
"""

from stream.verdict_store.columns import NUMBERS, StoredVerdicts, VerdictRows
from stream.verdict_store.memory import MemoryVerdictStore
from stream.verdict_store.migrations import migrate
from stream.verdict_store.postgres import VerdictStore
from stream.verdict_store.records import (
    Claim,
    Inserted,
    Model,
    OutcomeRow,
    PaymentRef,
    Provenance,
    Report,
    StoredVerdict,
    VerdictRecord,
)

__all__ = [
    "NUMBERS",
    "Claim",
    "Inserted",
    "MemoryVerdictStore",
    "Model",
    "OutcomeRow",
    "PaymentRef",
    "Provenance",
    "Report",
    "StoredVerdict",
    "StoredVerdicts",
    "VerdictRecord",
    "VerdictRows",
    "VerdictStore",
    "migrate",
]
