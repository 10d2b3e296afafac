"""The alerts of ALLOWs, rendered for a whole micro-batch at once: the very bytes that `Alerting.alert` gives of each.

A switch that acts on every verdict needs one for every payment, so what an alert costs counts as much as the verdict.
All that is the same for all of them is rendered once. Decimals are written by msgspec in one call, all else by a kernel
(`alert_bytes`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from model.verdict import Verdict
from stream.stages import alert_bytes
from stream.stages.alerting import STATE_NAMES
from stream.wire import ALERT_NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from model.artifact import Artifact
    from model.reasons import Explainer
    from stream.stages.alerting import Alerting
    from stream.verdict_store import VerdictRows

_TO_ESCAPE: Final = re.compile(rb'["\\\x00-\x1f]')
_NAMESPACE: Final = np.frombuffer(ALERT_NAMESPACE.bytes, dtype=np.uint8)
_DECIMAL: Final = 25
"""Bytes of a decimal at most, its comma included."""

_encode = msgspec.json.Encoder().encode


class CompactAlerts:
    """Renders alerts of ALLOWs whose reasons have feature, code and contribution, or that have none."""

    def __init__(self, artifact: Artifact, explainer: Explainer, alerting: Alerting, *, reasons: int) -> None:
        self._explainer = explainer
        self._reasons = reasons
        risk_map = artifact.risk_map
        self._knots = np.array(() if risk_map is None else risk_map.probability, dtype=np.float64)
        self._points = np.array(() if risk_map is None else risk_map.score, dtype=np.float64)
        decided = _encode(alerting.decision_of(Verdict.ALLOW))
        template = (
            b'{"alert_id":"',
            b'","transaction_id":"',
            b'","event_time":"',
            b'Z","decided_at":"',
            b'Z","verdict":%b,"score":' % _encode(Verdict.ALLOW.name),
            b',"margin":',
            b',"base_value":%b,"reasons":[' % _encode(artifact.scorer.base_value),
            b'],"payer_vpa":"',
            b'","payee_vpa":"',
            b'","amount_paise":',
            b',"feature_state":',
            b',"model_id":%b,"schema_hash":%b,"policy_id":null,"risk_score":'
            % (_encode(artifact.model_id), _encode(artifact.schema_hash)),
            b',"hold_until":null,"decision":%b}' % decided,
        )
        said = [
            b'{"feature":%b,"code":%b,"contribution":' % (_encode(feature), _encode(code))
            for feature, code in explainer.words
        ]
        self._words = _joined([*template, b"null", *map(_encode, STATE_NAMES), *said])
        states = max(map(len, STATE_NAMES)) + 2
        self._most = sum(map(len, template)) + states + alert_bytes.OF_A_ROW + reasons * (2 + max(map(len, said)))

    def render(self, rows: VerdictRows, contributions: NDArray[np.float64], which: NDArray[np.intp]) -> list[bytes]:
        """Return the alerts of the rows `which`, all ALLOWs; contributions float64 [n, features] are of all rows."""
        picked = which.tolist()
        ids, payers, payees = (
            [column[row] for row in picked] for column in (rows.transaction_id, rows.payer_vpa, rows.payee_vpa)
        )
        said = [*ids, *payers, *payees]
        plain = texts = _joined(said)
        if _TO_ESCAPE.search(texts.text.data) is not None:
            plain, texts = _joined(ids), _joined([_encode(text.decode())[1:-1] for text in said])
        shares = self._explainer.shares_of_all(rows.vectors, contributions, self._reasons, which)
        decimals = np.concatenate((rows.score[which], rows.margin[which], shares.contribution.ravel()))
        numbers = np.frombuffer(_encode(decimals.tolist())[1:-1] + b",", dtype=np.uint8)
        out = np.empty(len(picked) * self._most + len(texts.text) + len(numbers), dtype=np.uint8)
        ends = np.empty(len(picked), dtype=np.int64)
        alert_bytes.render(
            which, rows.numbers, self._words, plain, texts, numbers, shares.which, _NAMESPACE, self._knots,
            self._points, out, ends,
        )  # fmt: skip
        rendered, last = out.tobytes(), ends.tolist()
        return [rendered[first:end] for first, end in zip([0, *last], last, strict=False)]


def _joined(texts: Sequence[bytes]) -> alert_bytes.Texts:
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    return alert_bytes.Texts(np.frombuffer(b"".join(texts), dtype=np.uint8), lengths.cumsum())
