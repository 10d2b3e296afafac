"""Where nothing is compiled yet two processes share the work, all others wait, and nobody does it again."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import numba
import pytest

from features import compiled
from features.compiled import njit
from stream import first_rehearsal
from stream.first_rehearsal import shared_rehearsal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def helpers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Helpers that were started, in a new directory for kernels; each takes half a second and compiles nothing."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    compiled.directories.cache_clear()
    popen, started = first_rehearsal.subprocess.Popen, []

    def start(command: list[str], **options: Any) -> Any:
        assert command[1:] == ["-m", "stream.rehearsal", first_rehearsal.HELP]
        started.append(popen([sys.executable, "-c", "import time; time.sleep(0.5)"], **options))
        return started[-1]

    monkeypatch.setattr(first_rehearsal.subprocess, "Popen", start)
    yield started
    compiled.directories.cache_clear()


def test_the_first_one_has_a_helper_and_waits_for_it(helpers: list[Any]) -> None:
    with shared_rehearsal() as helper_ended:
        helper_ended()
        assert helpers[0].returncode == 0
    with shared_rehearsal() as helper_ended:
        helper_ended()
    assert len(helpers) == 1, "what is compiled is not compiled again"


def test_one_that_fails_ends_its_helper_and_leaves_the_work_to_the_next(helpers: list[Any]) -> None:
    with pytest.raises(OSError, match="broken"), shared_rehearsal():
        raise OSError("broken")
    assert helpers[0].returncode == -9
    with shared_rehearsal() as helper_ended:
        helper_ended()
    assert [helper.returncode for helper in helpers] == [-9, 0]


def test_others_wait_until_it_is_done(helpers: list[Any]) -> None:
    order: list[str] = []
    inside = threading.Event()

    def first() -> None:
        with shared_rehearsal():
            inside.set()
            time.sleep(0.2)
            order.append("first")

    def second() -> None:
        with shared_rehearsal():
            order.append("second")

    one = threading.Thread(target=first)
    one.start()
    assert inside.wait(10)
    other = threading.Thread(target=second)
    other.start()
    one.join()
    other.join()
    assert (order, len(helpers)) == (["first", "second"], 1)


def test_nobody_waits_for_ever(helpers: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_rehearsal, "PATIENCE_SECONDS", 0.1)
    with shared_rehearsal(), shared_rehearsal():
        pass
    assert len(helpers) == 2


def test_a_kernel_for_kernels_says_so_to_python() -> None:
    @njit(inner=True)
    def half(number: int) -> int:
        return number // 2

    with pytest.raises(TypeError, match=r"half is called from Python.*Declare it"):
        half(4)


def test_kernels_that_an_image_ships_are_not_compiled_again(
    helpers: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = compiled.Candidate(tmp_path / "shipped", private=False)
    monkeypatch.setattr(first_rehearsal, "candidates", lambda folder: [shipped, *compiled.candidates(folder)])
    with shared_rehearsal():
        pass
    (made,) = tmp_path.glob("rehearsed-*")
    shipped.directory.mkdir()
    made.rename(shipped.directory / made.name)
    with shared_rehearsal():
        pass
    assert len(helpers) == 1
