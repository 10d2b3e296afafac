"""What the switch says of itself is read, and a late one is called late."""

from __future__ import annotations

import pytest

from bench.load import LoadError, Punctuality, punctuality

SAID = """published 600 payments (3 frauds generated) and 12 outcomes in 3.2 s: 201 payments a second, 0 failed
made in 0.1 s: 6000 payments a second
late by 0.2 ms (median), 23.6 ms (p99), 149.2 ms (most)
5 outcomes would be reported later
"""


def test_lateness_is_read_as_the_switch_prints_it() -> None:
    found = punctuality(SAID)
    assert found == Punctuality(600, 0, 0.2, 23.6, 149.2, outcomes=12)
    assert found.kept
    assert found.told().startswith("the switch was late by 0.2 ms")


@pytest.mark.parametrize(("now", "then"), [("23.6 ms (p99)", "223.6 ms (p99)"), ("0 failed", "2 failed")])
def test_a_load_that_was_not_the_one_asked_for_is_said(now: str, then: str) -> None:
    found = punctuality(SAID.replace(now, then))
    assert not found.kept
    assert "FELL BEHIND" in found.told()


def test_a_switch_that_says_something_else_is_an_error() -> None:
    with pytest.raises(LoadError, match="no broker"):
        punctuality("Error: no broker")
