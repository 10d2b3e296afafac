"""Every panel has data when a real Prometheus has scraped a real worker under load."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.dashboards import Target, targets

if TYPE_CHECKING:
    from tests.fixtures.prometheus import Scrape

pytestmark = pytest.mark.servers


@pytest.mark.parametrize("target", [target for target in targets() if not target.outside], ids=str)
def test_a_query_returns_series_with_the_labels_of_its_legend(target: Target, scrape: Scrape):
    found = scrape.query(target.expression)
    assert found, "no series"
    assert any(math.isfinite(sample.value) for sample in found), [sample.value for sample in found]
    for label in re.findall(r"\{\{(\w+)\}\}", target.legend):
        assert all(sample.labels.get(label) for sample in found), (label, found[0].labels)
