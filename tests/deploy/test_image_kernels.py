"""How the image finds its kernels, tried without a container: in processes set up by the variables that it sets."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.tools import ROOT

if TYPE_CHECKING:
    from pathlib import Path

KERNEL = """
from numba import njit

@njit(cache=True)
def doubled(x):
    return 2 * x
"""


def run(program: str, *, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT / "deploy/image"), str(directory)])
    locator = {"NUMBA_CACHE_LOCATOR_CLASSES": "shipped_kernels.ShippedKernels", "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **locator, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_a_kernel_is_kept_beside_its_module_and_found_there(tmp_path: Path) -> None:
    (tmp_path / "kernels.py").write_text(KERNEL)
    program = "import kernels; print(kernels.doubled(21))"
    first, second = (run(program, directory=tmp_path, NUMBA_DEBUG_CACHE="1") for _ in range(2))
    assert "data saved" in first.stdout, first.stderr
    assert "data loaded" in second.stdout
    assert "data saved" not in second.stdout
    assert second.stdout.splitlines()[-1] == "42"
    assert list(tmp_path.glob("__pycache__/kernels.doubled-*.nbi"))


@pytest.mark.slow
def test_a_kernel_that_cannot_be_kept_is_compiled_and_told(tmp_path: Path) -> None:
    (tmp_path / "kernels.py").write_text(KERNEL)
    # Not even root can make a directory there.
    done = run("import kernels; print(kernels.doubled(21))", directory=tmp_path, NUMBA_CACHE_DIR="/proc/upifraud")
    assert done.stdout == "42\n", done.stderr
    assert "doubled" in done.stderr
    assert "compiled anew" in done.stderr


def test_a_processor_that_lacks_what_kernels_use_is_refused_by_a_message(tmp_path: Path) -> None:
    done = run("import shipped_kernels as s; s.check_processor('x86-64-v3', {'avx2': False})", directory=tmp_path)
    assert "this processor lacks avx2, bmi" in done.stderr
    assert "--build-arg KERNEL_CPU=x86-64-v2" in done.stderr


@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs an x86-64 processor: features have LLVM's names")
def test_features_have_the_names_that_are_asked_for(tmp_path: Path) -> None:
    """A name that LLVM does not know would be missing on every processor."""
    program = "import shipped_kernels as s, llvmlite.binding as b; print(set.union(*s.NEEDED.values()) - set(b.get_host_cpu_features()))"  # noqa: E501 - a program
    assert run(program, directory=tmp_path).stdout == "set()\n"
