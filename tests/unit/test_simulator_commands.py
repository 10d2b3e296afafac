"""The command line of the switch: what is refused, what is written, what help says."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from upifraud.commands.replay import command as replay
from upifraud.commands.simulate import command as simulate

if TYPE_CHECKING:
    from pathlib import Path

HISTORY = ("--seed", "5", "--payments", "400", "--payers", "60")


def simulated(*arguments: object) -> Result:
    return CliRunner().invoke(simulate, [str(argument) for argument in arguments])


def digests(directory: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(directory.iterdir())}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "expected a number of payments, or of seconds, or both a start and an end"),
        (("--payments", 10, "--seconds", 1), "got both; leave one out"),
        (("--payments", 10, "--start", 1_600_000_000_000, "--until", "now"), "a start and both; leave one out"),
        (("--payments", 10, "--until", "2026-01-01"), "expected a time as 2026-01-01T00:00:00+05:30"),
        (("--payments", 10, "--start", "yesterday"), "got 'yesterday'"),
        (("--payments", 10, "--out", "x", "--malformed", 3), "a history is clean"),
        (("--payments", 10, "--out", "x", "--pace", "real"), "a history is clean"),
        (("--seconds", 1, "--pace", "real", "--buffered"), "use --pace compressed"),
        (("--payments", 10, "--payers", 3), "--payers"),
        (("--payments", 10, "--rate", 0), "--rate"),
        (("--payments", 10, "--fraud-rate", 0.9), "fraud rate: expected a share from 0 to 0.5"),
        (("--payments", 10, "--payers", 60, "--out", "x", "--start", 5), "both from 2000 to 2049"),
    ],
)
def test_usage_errors_say_what_to_do_and_exit_2(
    arguments: tuple[object, ...], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = simulated(*arguments)
    assert result.exit_code == 2, result.output
    assert complaint in " ".join(result.output.split())


def test_a_history_has_the_same_bytes_on_every_day(tmp_path: Path) -> None:
    for name in ("one", "two"):
        result = simulated(*HISTORY, "--out", tmp_path / name)
        assert result.exit_code == 0, result.output
        assert "400 payments" in result.output
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert set(digests(tmp_path / "one")) == {"payments.parquet", "outcomes.parquet", "truth.parquet"}


def test_a_history_can_be_continued_where_it_ended(tmp_path: Path) -> None:
    cut = "2025-12-20T00:00:00+05:30"
    simulated(*HISTORY, "--until", cut, "--out", tmp_path / "before")
    simulated(*HISTORY, "--start", cut, "--out", tmp_path / "after")
    before, after = (pq.read_table(tmp_path / name / "payments.parquet").to_pydict() for name in ("before", "after"))
    assert len(before["transaction_id"]) == len(after["transaction_id"]) == 400
    assert max(before["event_time"]) < 1_766_169_000_000 <= min(after["event_time"])
    assert not set(before["transaction_id"]) & set(after["transaction_id"])
    assert set(before["payer_vpa"]) & set(after["payer_vpa"])


def test_all_payments_between_two_times_need_no_number(tmp_path: Path) -> None:
    times = ("--start", 1_767_200_000_000, "--until", 1_767_205_800_000)
    result = simulated("--payers", 200, *times, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    event_time = pq.read_table(tmp_path / "payments.parquet")["event_time"].to_pylist()
    assert 1_767_200_000_000 <= min(event_time) <= max(event_time) < 1_767_205_800_000


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--rate", "5", "--max"), "expected at most one of them"),
        (("--speed", "0"), "--speed"),
        (("--outcomes-map", "{file}"), "expected --outcomes beside it"),
        (("--topic", "outcomes", "--outcomes", "{file}"), "leave out --topic outcomes"),
        (("--map", "no-such-file"), "no-such-file"),
    ],
)
def test_replay_refuses_what_does_not_go_together(arguments: tuple[str, ...], complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("transaction_id\n")
    result = CliRunner().invoke(replay, [str(file), *(argument.format(file=file) for argument in arguments)])
    assert result.exit_code == 2, result.output
    assert complaint in " ".join(result.output.split())


def test_replay_names_a_missing_column_before_it_asks_for_a_broker(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("transaction_id,event_time\nx,1\n")
    result = CliRunner().invoke(replay, [str(file)])
    assert result.exit_code == 1
    assert "expected a column payer_vpa" in result.output


@pytest.mark.parametrize("command", [simulate, replay])
def test_help_has_examples(command: object) -> None:
    result = CliRunner().invoke(command, ["--help"])  # type: ignore[arg-type]
    assert result.exit_code == 0
    assert "Examples:" in result.output
