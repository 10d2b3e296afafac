"""A trial of a history that is larger than memory gives the figures that it gives in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from files.column_map import read_map
from history.large import Means
from history.measured import Limits
from history.message_fields import OUTCOME, PAYMENT
from history.refusals import ignored
from model.training.settings import TrainingSettings
from tests.fixtures.shapes import write_shape
from upifraud.history_files import Given
from upifraud.trial.history import OnDisk, read
from upifraud.trial.run import Asked, Trial, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAP = """
zone = "Asia/Kolkata"
event_time = "timestamp"
payer_vpa = "sender_upi"
payee_vpa = "receiver_upi"
amount_paise = { column = "amount", unit = "rupees" }
outcome = { column = "label", fraud = [1], genuine = [0] }
reported_at = { after = "event_time", delay = "5d" }
"""


def step(_what: str, _total: int) -> Callable[[int], None]:
    return lambda _done: None


def trial(directory: Path, memory: int) -> tuple[Trial, bool]:
    given = Given(
        payments=directory / "student-upi.csv",
        outcomes=None,
        zone=None,
        columns=read_map(directory / "map.toml", PAYMENT, OUTCOME),
        outcomes_columns=None,
        limits=Limits(),
        note=ignored,
    )
    history = read(given, Means(memory=memory, output=directory / "out", workers=2), step)
    asked = Asked(0.7, 5 * 86_400_000, "5d", TrainingSettings(), baselines=False)
    return run(history, asked, directory / f"model-{memory}", step), isinstance(history, OnDisk)


@pytest.mark.slow
def test_figures_do_not_depend_on_where_the_history_lies(tmp_path: Path) -> None:
    write_shape("student-upi", tmp_path, 8_000)
    (tmp_path / "map.toml").write_text(MAP)
    (here, on_disk_here), (there, on_disk_there) = trial(tmp_path, 4_000_000_000), trial(tmp_path, 0)
    assert (on_disk_here, on_disk_there) == (False, True)
    assert there.metrics == here.metrics
    assert there.not_attainable == here.not_attainable
    assert there.artifact.model_id == here.artifact.model_id
    assert there.parts == here.parts
    assert there.reasons == here.reasons
    assert [refusals.rows for refusals in there.refusals] == [8_000, 8_000]
    assert not list(tmp_path.glob(".upifraud-spill-*"))
