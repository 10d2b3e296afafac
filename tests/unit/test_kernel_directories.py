"""A kernel runs whoever calls it: kept ones are read where nothing can be written, new ones go where it is safe."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.tools import ROOT

pytestmark = pytest.mark.slow

KERNEL = """
from features.compiled import njit

@njit()
def doubled(x):
    return 2 * x
"""
CALL = "import kernels; print(kernels.doubled(21))"


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


class Service:
    """A module with a kernel that one user installed, called by another who can write nothing but temporary files."""

    def __init__(self, folder: Path) -> None:
        self.package, self.temporary = folder / "package", folder / "temporary"
        self.package.mkdir()
        (self.package / "kernels.py").write_text(KERNEL)
        self.temporary.mkdir()
        self.temporary.chmod(0o1777)
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(self.package), str(ROOT)]),
            "NUMBA_DEBUG_CACHE": "1",
            "TMPDIR": str(self.temporary),
        }

    def install(self) -> str:
        """Call the kernel as the user who installed it; then nobody writes there any more."""
        done = self._run([sys.executable, "-c", CALL], {})
        self.seal()
        return done.stdout

    def seal(self) -> None:
        if os.geteuid() != 0:  # else it is another user who calls
            for path in (self.package, *self.package.glob("__pycache__/**/")):
                path.chmod(0o555)

    def call(self, program: str = CALL, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run([sys.executable, "-c", program], **environment)

    def run(self, command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        as_other = []
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            caps = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]  # the checkout may be root's
            as_other = [str(shutil.which("setpriv")), f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}"]
            as_other += ["--clear-groups", *caps, "--"]
        return self._run([*as_other, *command], {"HOME": "/nonexistent", **environment})

    def _run(self, command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=self.environment | environment, capture_output=True, text=True, check=False, cwd="/"
        )

    @property
    def own(self) -> list[Path]:
        return list(self.temporary.glob("upifraud-kernels-*"))


def test_what_was_kept_by_another_user_is_read(service: Service) -> None:
    assert "data saved" in service.install()
    done = service.call()
    assert done.stdout.splitlines()[-1] == "42", done.stderr
    assert "data loaded" in done.stdout
    assert "data saved" not in done.stdout


def test_what_is_nowhere_is_kept_for_this_user_alone(service: Service) -> None:
    service.seal()
    first, second = service.call(), service.call()
    assert first.stdout.splitlines()[-1] == "42", first.stderr
    assert "data saved" in first.stdout
    assert "data loaded" in second.stdout
    assert "data saved" not in second.stdout
    (own,) = service.own
    assert own.stat().st_mode & 0o777 == 0o700
    assert not list(service.package.glob("__pycache__/kernels-*/*/*.nbi"))


@pytest.mark.parametrize("prepared", ["open to all", "a link"])
def test_a_directory_that_others_can_write_to_is_not_believed(service: Service, prepared: str) -> None:
    """Kernels are loaded as code: whoever can put one there could run programs as us."""
    service.seal()
    assert service.call().returncode == 0
    (own,) = service.own
    if prepared == "a link":
        away = service.temporary.parent / "away"
        own.rename(away)
        own.symlink_to(away)
        own = away
    own.chmod(0o777)
    done = service.call()
    assert done.stdout.splitlines()[-1] == "42", done.stderr
    assert "data loaded" not in done.stdout
    assert "data saved" not in done.stdout
    assert done.stderr.count("Set NUMBA_CACHE_DIR to a directory that this user can write to") == 1


def test_a_directory_that_was_given_comes_first(service: Service) -> None:
    service.install()
    given = service.temporary / "given"
    first, second = service.call(NUMBA_CACHE_DIR=str(given)), service.call(NUMBA_CACHE_DIR=str(given))
    assert f"data saved to '{given}" in first.stdout
    assert f"data loaded from '{given}" in second.stdout


@pytest.mark.parametrize(
    "command", [["housekeeping"], ["migrate"], ["explain", "x"], ["export", "verdicts", "--out", "x"]]
)
def test_commands_run_for_a_user_without_a_home(service: Service, command: list[str]) -> None:
    program = str(Path(sys.executable).with_name("upifraud"))
    done = service.run([program, *command], UPIFRAUD_POSTGRES_URL="postgresql://127.0.0.1:1/x")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Connection refused" in done.stderr
