"""Bytes from Kafka to payments and outcomes: pure, and total, so that no input raises."""

from stream.decode.outcomes import DecodedOutcome, DecodedOutcomes, decode_outcomes
from stream.decode.payments import decode_payments
from stream.decode.rejection import Rejection
from stream.decode.table import Decoded

__all__ = ["Decoded", "DecodedOutcome", "DecodedOutcomes", "Rejection", "decode_outcomes", "decode_payments"]
