"""Whoever has all payments of an entity has the features that are declared as its own, and needs nobody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from features.definitions import FEATURES
from features.entities import DEVICE, KINDS, PAYEE, PAYER
from features.history import arrived_reports, history_vectors
from features.measure.bucket import Bucket, Census
from history.reading import read_outcomes, read_payments, reports_on, source_of_payments
from tests.fixtures.histories import hostile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from features.columns import PaymentColumns
    from features.entities import Kind
    from features.measure.bucket import ArrivedReports

pytestmark = pytest.mark.slow

NAMES = [feature.name for feature in FEATURES]


class Known:
    """A history, its reports, and its vectors measured as a whole."""

    def __init__(self, columns: PaymentColumns, reports: ArrivedReports, vectors: NDArray[np.float32]) -> None:
        self.columns = columns
        self.reports = reports
        self.vectors = vectors

    def measured(self, rows: NDArray[np.intp], mine: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the vectors of some payments over the logs of some of their entities."""
        columns, census = self.columns.take(rows), Census()
        census.count(columns.rows["identity"], mine)
        return Bucket(census, self.reports).measure(columns, rows, mine)[0]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    files = hostile(tmp_path_factory.mktemp("history"), payments=4_000, payers=60)
    history = read_payments(source_of_payments(files.payments))
    outcomes = reports_on(history, read_outcomes(files.outcomes).rows)
    vectors, _ = history_vectors(history.columns, outcomes)
    return Known(history.columns, arrived_reports(history.columns, outcomes), vectors)


def differing(one: NDArray[np.float32], other: NDArray[np.float32], owner: Kind | None) -> list[str]:
    """Return the features of an owner that differ in some bit."""
    differ = (one.view(np.uint32) != other.view(np.uint32)).any(axis=0)
    return [
        name for name, feature, is_so in zip(NAMES, FEATURES, differ, strict=True) if is_so and feature.owner is owner
    ]


@pytest.mark.parametrize("owner", KINDS, ids=lambda kind: kind.name)
def test_an_entity_alone_has_its_features(known: Known, owner: Kind) -> None:
    """A party's logs are both its own: what it paid, and what it was paid."""
    parts = (PAYER, PAYEE) if owner is not DEVICE else (DEVICE,)
    identity = known.columns.rows["identity"]
    at = KINDS.index(owner)
    most = np.unique(identity[:, at][identity[:, at] != 0], return_counts=True)
    busy, rare = most[0][np.argsort(most[1])[-6:]], most[0][::17]
    assert len(busy) == 6
    for entity in {*busy.tolist(), *rare.tolist()}:
        rows = np.flatnonzero((identity[:, [KINDS.index(part) for part in parts]] == entity).any(axis=1))
        mine = np.zeros((len(rows), len(KINDS)), dtype=np.bool_)
        for part in parts:
            mine[:, KINDS.index(part)] = identity[rows, KINDS.index(part)] == entity
        its = mine[:, at]
        found = known.measured(rows, mine)[its]
        assert not differing(found, known.vectors[rows[its]], owner)


def test_what_has_no_owner_needs_no_log(known: Known) -> None:
    rows = np.arange(len(known.columns))
    nobody = known.measured(rows, np.zeros((len(rows), len(KINDS)), dtype=np.bool_))
    assert not differing(nobody, known.vectors, None)


@pytest.mark.parametrize("owner", KINDS, ids=lambda kind: kind.name)
def test_no_feature_is_an_owners_without_need(known: Known, owner: Kind) -> None:
    """Each differs somewhere without its owner's logs: the tests above would see a wrong owner."""
    rows = np.arange(len(known.columns))
    mine = known.columns.rows["identity"] != 0
    mine[:, [KINDS.index(part) for part in ((DEVICE,) if owner is DEVICE else (PAYER, PAYEE))]] = False
    without = known.measured(rows, mine)
    assert differing(without, known.vectors, owner) == [one.name for one in FEATURES if one.owner is owner]
