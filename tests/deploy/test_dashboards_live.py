"""Every panel has data when a real Prometheus has scraped a real worker under load."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import pytest
from matplotlib import pyplot as plt

from deploy.grafana.preview.__main__ import main as preview
from deploy.grafana.preview.source import QueryRefusedError, Source
from tests.fixtures.dashboards import Target, dashboards, targets

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.prometheus import Scrape

pytestmark = pytest.mark.servers


@pytest.mark.parametrize("target", [target for target in targets() if not target.outside], ids=str)
def test_a_query_returns_series_with_the_labels_of_its_legend(target: Target, scrape: Scrape):
    found = scrape.query(target.expression)
    assert found, "no series"
    assert any(math.isfinite(sample.value) for sample in found), [sample.value for sample in found]
    for label in re.findall(r"\{\{(\w+)\}\}", target.legend):
        assert all(sample.labels.get(label) for sample in found), (label, found[0].labels)


def test_the_preview_draws_every_dashboard(scrape: Scrape, tmp_path: Path):
    span = ["--until", str(scrape.under_load), "--seconds", "30"]
    assert preview(["--prometheus", scrape.prometheus.url, "--out", str(tmp_path), *span]) == 0
    for name in dashboards():
        picture = plt.imread(tmp_path / f"{name}.png")
        colours = {tuple(pixel) for pixel in picture[::5, ::5, :3].reshape(-1, 3).round(1).tolist()}
        assert len(colours) > 20, "lines, areas and bands in many colours"


def test_the_preview_says_which_query_was_refused_and_where_nobody_answers(scrape: Scrape):
    with pytest.raises(QueryRefusedError, match="refused up\\["):
        Source(scrape.prometheus.url, 0, 60).now("up[")
    with pytest.raises(QueryRefusedError, match=r"No Prometheus answers at http://127.0.0.1:1 .* --prometheus"):
        Source("http://127.0.0.1:1", 0, 60).now("up")
