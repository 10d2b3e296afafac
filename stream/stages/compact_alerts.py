"""The alerts of ALLOWs, rendered for a whole micro-batch at once: the very bytes that `Alerting.alert` gives of each.

A switch that acts on every verdict needs one for every payment, so what an alert costs counts as much as the verdict.
All that is the same for all of them is rendered once. Numbers are written by msgspec, many in one call.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from model.verdict import Verdict
from stream.stages.alerting import STATE_NAMES
from stream.wire import ALERT_NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from model.artifact import Artifact
    from model.reasons import Explainer
    from stream.stages.alerting import Alerting
    from stream.verdict_store import VerdictRows

_TO_ESCAPE: Final = re.compile(rb'["\\\x00-\x1f]')
_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_NAMESPACE: Final = ALERT_NAMESPACE.bytes

_encode = msgspec.json.Encoder().encode


class CompactAlerts:
    """Renders alerts of ALLOWs whose reasons have feature, code and contribution, or that have none."""

    def __init__(self, artifact: Artifact, explainer: Explainer, alerting: Alerting, *, reasons: int) -> None:
        self._explainer = explainer
        self._reasons = reasons
        self._risk_map = artifact.risk_map
        self._words = [
            b'{"feature":%b,"code":%b,"contribution":' % (_encode(feature), _encode(code))
            for feature, code in explainer.words
        ]
        self._states = [_encode(name) for name in STATE_NAMES]
        head = b'{"alert_id":"%%b","transaction_id":"%%b","event_time":"%%bZ","decided_at":"%%bZ","verdict":%b,' % (
            _encode(Verdict.ALLOW.name)
        )
        numbers = b'"score":%%b,"margin":%%b,"base_value":%b,"reasons":[%%b],' % _constant(artifact.scorer.base_value)
        parties = b'"payer_vpa":"%b","payee_vpa":"%b","amount_paise":%d,"feature_state":%b,'
        model = b'"model_id":%b,"schema_hash":%b,' % (_constant(artifact.model_id), _constant(artifact.schema_hash))
        decided = b'"policy_id":null,"risk_score":%%b,"hold_until":null,"decision":%b}' % (
            _constant(alerting.decision_of(Verdict.ALLOW))
        )
        self._template = head + numbers + parties + model + decided

    def render(self, rows: VerdictRows, contributions: NDArray[np.float64], which: NDArray[np.intp]) -> list[bytes]:
        """Return the alerts of the rows `which`, all ALLOWs; contributions float64 [n, features] are of all rows."""
        ids, payers, payees = (
            _escaped([column[row] for row in which.tolist()])
            for column in (rows.transaction_id, rows.payer_vpa, rows.payee_vpa)
        )
        scores = rows.score[which]
        return [
            self._template % values
            for values in zip(
                map(_alert_id, (rows.transaction_id[row] for row in which.tolist())),
                ids,
                _times(rows.event_time[which]),
                _times(rows.decided_at[which]),
                _numbers(scores),
                _numbers(rows.margin[which]),
                self._reasons_of(rows.vectors[which], contributions[which]),
                payers,
                payees,
                rows.amount_paise[which].tolist(),
                [self._states[state] for state in rows.feature_state[which].tolist()],
                [b"null"] * len(which) if self._risk_map is None else _numbers(self._risk_map.of_all(scores)),
                strict=True,
            )
        ]

    def _reasons_of(self, vectors: NDArray[np.float32], contributions: NDArray[np.float64]) -> Iterable[bytes]:
        if not self._reasons:
            return [b""] * len(vectors)
        shares = self._explainer.shares_of_all(vectors, contributions, self._reasons)
        most, words = shares.which.shape[1], self._words
        said = [
            b"" if word < 0 else b"%b%b}" % (words[word], number)
            for word, number in zip(shares.which.ravel().tolist(), _numbers(shares.contribution.ravel()), strict=True)
        ]
        counts = np.count_nonzero(shares.which >= 0, axis=1).tolist()  # those that speak for fraud come first
        return [b",".join(said[most * row : most * row + count]) for row, count in enumerate(counts)]


def _alert_id(transaction_id: bytes) -> bytes:
    """Return what `stream.wire.alert_id` does: a version 5 UUID."""
    digest = hashlib.sha1(_NAMESPACE + transaction_id, usedforsecurity=False).hexdigest()
    variant = _VARIANT[digest[16]]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}".encode()


def _constant(value: object) -> bytes:
    """Return a value as JSON, for a template: its percent signs are doubled."""
    return _encode(value).replace(b"%", b"%%")


def _times(epoch_ms: NDArray[np.int64]) -> Sequence[bytes]:
    """Write times as `stream.wire.utc_time` does, but for the Z."""
    written: list[bytes] = np.datetime_as_string(epoch_ms.astype("datetime64[ms]")).astype("S").tolist()
    return written


def _numbers(values: NDArray[np.float64] | NDArray[np.int64]) -> list[bytes]:
    return _encode(values.tolist())[1:-1].split(b",") if len(values) else []


def _escaped(texts: list[bytes]) -> list[bytes]:
    """Return texts as they stand between quotes; nearly always there is nothing to escape."""
    if _TO_ESCAPE.search(b"".join(texts)) is None:
        return texts
    return [_encode(text.decode())[1:-1] for text in texts]
