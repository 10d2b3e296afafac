"""Which library the embedded Redis takes its memory from, and what is said of it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local import allocator, doctor
from local.allocator import Allocator, Choice, choose
from local.doctor import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ELF_MACHINE = slice(18, 20)
S390 = (22).to_bytes(2, "little")


@pytest.fixture
def at_hand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Say which libraries this machine has."""

    def say(*libraries: object) -> None:
        choose.cache_clear()
        monkeypatch.setattr(allocator, "libraries", lambda: map(str, libraries))

    yield say
    choose.cache_clear()


@pytest.fixture
def good() -> str:
    """Some library that every program here can start with."""
    spec = importlib.util.find_spec("_ctypes")
    assert spec is not None
    assert spec.origin is not None
    return spec.origin


def test_the_machines_jemalloc_comes_before_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    class File(str):
        name = "libmimalloc.so"

        def locate(self) -> Path:
            return Path("/site", self)

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("ctypes.util.find_library", {"jemalloc": "libjemalloc.so.2"}.get)
    monkeypatch.setattr(importlib.metadata, "files", lambda _name: [File("lib/libmimalloc.so")])
    assert list(allocator.libraries()) == ["libjemalloc.so.2", "/site/lib/libmimalloc.so"]
    monkeypatch.setattr("ctypes.util.find_library", lambda _name: None)
    assert list(allocator.libraries()) == ["/site/lib/libmimalloc.so"]
    monkeypatch.setattr(sys, "platform", "darwin")
    assert list(allocator.libraries()) == []


def test_a_machine_without_either_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.util.find_library", lambda _name: None)
    monkeypatch.setattr(allocator, "WHEEL", "surely-not-installed")
    assert list(allocator.libraries()) == []


def test_the_first_library_that_works_is_chosen(at_hand: Callable[..., None], good: str) -> None:
    at_hand(good, "/never/looked/at.so")
    assert choose(sys.executable) == Choice(good)
    at_hand()
    assert choose(sys.executable) == Choice(None)


def test_what_cannot_be_loaded_is_passed_over_and_named(
    at_hand: Callable[..., None], good: str, tmp_path: Path
) -> None:
    """No library, one for another processor, one that is gone, and one whose path LD_PRELOAD would cut in two."""
    text, foreign, blank = tmp_path / "text.so", tmp_path / "foreign.so", tmp_path / "a blank.so"
    text.write_text("no library")
    code = bytearray(Path(good).read_bytes())
    code[ELF_MACHINE] = S390
    foreign.write_bytes(code)
    blank.write_bytes(Path(good).read_bytes())
    gone = tmp_path / "gone.so"
    at_hand(text, foreign, blank, gone, good)
    found = choose(sys.executable)
    assert found.library == good
    assert [line.partition(" cannot be preloaded: ")[0] for line in found.refused] == [
        str(path) for path in (text, foreign, blank, gone)
    ]
    assert all(line.partition(" cannot be preloaded: ")[2] for line in found.refused)


def test_a_library_that_ends_the_program_is_not_preloaded(at_hand: Callable[..., None], tmp_path: Path) -> None:
    """As one for another C library does: the loader does not go on without it."""
    program = tmp_path / "server"
    program.write_text("#!/bin/sh\necho 'libc.musl-x86_64.so.1: cannot open shared object file' >&2\nexit 127\n")
    program.chmod(0o700)
    at_hand("libc.so.6")
    found = choose(str(program))
    assert found.library is None
    assert found.refused == ("libc.so.6 cannot be preloaded: libc.musl-x86_64.so.1: cannot open shared object file",)


def test_a_program_that_is_not_there_has_no_library(at_hand: Callable[..., None], tmp_path: Path) -> None:
    at_hand("libc.so.6")
    assert choose(str(tmp_path / "none")).library is None


def test_what_others_preload_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", "/theirs.so")
    assert allocator.environment("/ours.so")["LD_PRELOAD"] == "/ours.so:/theirs.so"
    monkeypatch.delenv("LD_PRELOAD")
    assert allocator.environment("/ours.so")["LD_PRELOAD"] == "/ours.so"


def test_a_process_of_another_program_is_not_looked_at() -> None:
    """A pid that a server in a container tells is somebody else's here."""
    assert allocator.preloaded(1, "/usr/local/bin/valkey-server") is None
    assert allocator.preloaded(0, "") is None


@pytest.mark.parametrize(
    ("found", "words", "verdict", "in_finding"),
    [
        (Allocator("jemalloc-5.3.0"), "jemalloc-5.3.0", Verdict.OK, "jemalloc-5.3.0"),
        (Allocator("libc", "/x/libmimalloc.so.3"), "libmimalloc.so.3, preloaded", Verdict.OK, "/x/libmimalloc.so.3"),
        (Allocator("libc"), "the C library", Verdict.OPTIONAL, "libc"),
    ],
)
def test_the_c_librarys_allocator_is_told_with_what_to_do(
    found: Allocator, words: str, verdict: Verdict, in_finding: str
) -> None:
    assert str(found) == words
    finding = doctor._memory(found)
    assert finding.verdict is verdict
    assert in_finding in finding.found
    assert ("libjemalloc2" in finding.to_do) == (verdict is Verdict.OPTIONAL)


def test_a_server_that_may_not_be_asked_is_no_problem() -> None:
    assert doctor._memory(None).verdict is Verdict.OPTIONAL


def test_nobody_has_to_have_the_wheel() -> None:
    """It is for some machines only, and a stack runs without it."""
    assert allocator.WHEEL not in doctor.required_packages("upi-fraud-stream")
