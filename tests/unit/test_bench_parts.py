"""A long run keeps what its parts found, whatever becomes of the others."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING

import pytest

from bench import results
from bench.parts import Finished, Part, PartlyFailedError, measure, run_parts, verdict

if TYPE_CHECKING:
    from pathlib import Path


def boom() -> None:
    raise RuntimeError("Expected a broker, got none.\nIts log is long.")


def run(*parts: Part) -> tuple[list[Finished], list[Finished], list[str]]:
    kept: list[Finished] = []
    said: list[str] = []
    ticks = count()
    done = run_parts(parts, say=said.append, clock=lambda: next(ticks) * 61.0, keep=kept.append)
    return done, kept, said


def test_a_part_that_fails_costs_no_other_part_its_results() -> None:
    done, kept, said = run(
        Part("one", "first", lambda: 1), Part("two", "second", boom), Part("three", "third", lambda: 3)
    )
    assert [(one.name, one.result) for one in done] == [("one", 1), ("two", None), ("three", 3)]
    assert [one.error for one in done] == [None, "RuntimeError: Expected a broker, got none.\nIts log is long.", None]
    assert kept == done
    assert any("Traceback" in line for line in said)


def test_what_the_rest_of_a_part_found_is_kept_where_some_of_it_failed() -> None:
    def some() -> None:
        raise PartlyFailedError("quix: it ended", ["worker"])

    done, kept, _ = run(Part("peers", "others", some))
    assert (done[0].result, done[0].error) == (["worker"], "PartlyFailedError: quix: it ended")
    assert kept == done


def test_the_last_word_names_what_failed_and_the_time() -> None:
    done, _, _ = run(Part("one", "first", lambda: 1), Part("two", "second", boom))
    assert verdict(done).splitlines() == [
        "1 of 2 parts done in 2:02",
        "FAILED two: RuntimeError: Expected a broker, got none.",
    ]


def test_every_part_is_announced_with_its_number_and_the_time_so_far() -> None:
    _, _, said = run(Part("one", "first", lambda: 1), Part("two", "second", lambda: 2))
    assert said[0] == "\n[1/2, 1:01] one: first"
    assert said[1].endswith("one done in 61 s")
    assert said[2].startswith("\n[2/2, ")


def test_an_interrupt_ends_the_run_and_what_was_kept_is_kept() -> None:
    kept: list[Finished] = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    parts = [Part("one", "first", lambda: 1), Part("two", "second", interrupt), Part("three", "third", lambda: 3)]
    with pytest.raises(KeyboardInterrupt):
        run_parts(parts, say=lambda _line: None, clock=lambda: 0.0, keep=kept.append)
    assert [one.name for one in kept] == ["one"]


@pytest.mark.parametrize("broken", [True, False])
def test_raw_results_and_exit_code_tell_of_a_failure(
    broken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = {"index": 0.2, "load": 0.0, "cores": 2, "cpu": "x", "commit": "abc"}
    monkeypatch.setattr(results, "begin", lambda: {"machine": facts, "parts": {}, "failed": {}, "seconds": {}})
    path = tmp_path / "raw.json"
    code = measure([Part("one", "first", lambda: 1), Part("two", "second", boom if broken else lambda: 2)], path)
    found = json.loads(path.read_text())
    assert code == (1 if broken else 0)
    assert found["parts"] == ({"one": 1} if broken else {"one": 1, "two": 2})
    assert ("two" in found["failed"]) is broken
    assert ("FAILED two: RuntimeError: Expected a broker, got none." in capsys.readouterr().out) is broken
