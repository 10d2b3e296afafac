"""A real Prometheus scrapes a real worker under load."""

from __future__ import annotations

import pytest

from tests.fixtures.prometheus import JOB, Scrape

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]


def test_the_worker_is_scraped_under_load_and_seen_to_go(scrape: Scrape) -> None:
    assert [sample.value for sample in scrape.query(f'up{{job="{JOB}"}}')] == [1.0]
    assert scrape.query("sum(rate(transactions_consumed_total[1m]))")[0].value > 10
    assert [sample.value for sample in scrape.query("up", at=scrape.after_stop)] == [0.0]
