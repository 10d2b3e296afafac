"""The image, built and run: as locked up as in production, on real servers, with all kernels already compiled.

UPIFRAUD_TEST_IMAGE names one that is built already.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import urllib.error
import urllib.request
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.deployment import Deployment, until
from tests.fixtures.image import can_build, docker_answers, image
from tests.fixtures.tools import ROOT, tool

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1500)]

LOCKED_UP = ("--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges")
PAYMENTS = 400
STOP_SECONDS = 60
"""terminationGracePeriodSeconds of deploy/k8s and stop_grace_period of docker-compose.yml."""

LOOK = """
import json, os, pathlib, shutil
programs = "cc c++ gcc g++ clang cpp ld as make rustc go git apt-add-repository".split()
root = pathlib.Path("/opt/upifraud")
print(json.dumps({
    "compilers": [name for name in programs if shutil.which(name)],
    "not_roots": [str(path) for path in (root, *root.rglob("*")) if path.lstat().st_uid],
    "writable": [str(path) for path in root.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o022],
    "pip": [str(path) for path in root.rglob("pip*") if path.name == "pip"],
    "caches": [str(path) for path in map(pathlib.Path, ("/root/.cache", "/opt/build", "/src")) if path.exists()],
    "modules": sum(1 for _ in root.rglob("*.py")),
    "stale": [str(path) for path in root.rglob("*.py") if not list(path.parent.glob(f"__pycache__/{path.stem}.*.pyc"))],
    "environment": dict(os.environ),
}))
"""


class Engine:
    """Docker where an engine answers, else podman, with the image that was built by it."""

    def __init__(self, config: pytest.Config) -> None:
        self._program = "docker" if docker_answers() else tool("podman")
        if not docker_answers():
            tool("mmdebstrap", get="podman")
            if not can_build() and "UPIFRAUD_TEST_IMAGE" not in os.environ:
                pytest.skip("without Docker the image is built by root")
        self.image = image(config)

    def _say(self, *arguments: str) -> str:
        done = subprocess.run([self._program, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def _run(self) -> list[str]:
        # Podman gives a container /tmp, /run and /var/tmp to write to unless it is told not to; Docker does not.
        podman = ["--read-only-tmpfs=false", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]
        runtime = [] if docker_answers() else ["--runtime", "runc"]
        return [*runtime, "run", "--network", "host", *LOCKED_UP, *([] if docker_answers() else podman)]

    def run(self, *arguments: str, options: tuple[str, ...] = ()) -> str:
        """Run a command to its end and return what it printed."""
        return self._say(*self._run(), "--rm", *options, self.image, *arguments)

    def start(self, name: str, settings: dict[str, str]) -> None:
        """Start the image's own command; settings go by the environment, so that no password is in an argument."""
        passed = [f"--env={key}" for key in settings]
        done = subprocess.run(
            [self._program, *self._run(), "--detach", "--name", name, *passed, self.image],
            env={**os.environ, **settings}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def logs(self, name: str) -> str:
        done = subprocess.run(
            [self._program, "logs", name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        return done.stdout

    def inspect(self, name: str) -> dict[str, Any]:
        return json.loads(self._say("inspect", name))[0]

    def stop(self, name: str) -> int:
        """Send SIGTERM, and SIGKILL after STOP_SECONDS; return the exit code."""
        self._say("stop", "--time", str(STOP_SECONDS), name)
        return int(self.inspect(name)["State"]["ExitCode"])

    def remove(self, name: str) -> None:
        subprocess.run([self._program, "rm", "--force", name], capture_output=True, check=False)


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest) -> Engine:
    return Engine(request.config)


@pytest.fixture
def container(engine: Engine) -> Iterator[str]:
    """A name for a container that is gone after the test."""
    name = f"upifraud-test-{uuid.uuid4().hex[:12]}"
    yield name
    engine.remove(name)


def answer(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as found:
            return found.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0


def test_the_worker_judges_and_drains_with_nothing_it_may_write_to(
    engine: Engine, container: str, deployment: Deployment
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        **deployment.environment,
        "UPIFRAUD_METRICS_HOST": "127.0.0.1",
        "UPIFRAUD_METRICS_PORT": str(port),
        "NUMBA_DEBUG_CACHE": "1",
    }
    engine.start(container, settings)

    def running() -> bool:
        return bool(engine.inspect(container)["State"]["Running"])

    until(lambda: answer(port, "readyz") == 200 or not running(), "the worker in the container ready")
    assert running(), engine.logs(container)
    assert answer(port, "healthz") == 200
    deployment.upifraud("simulate", "--seed", "4", "--payments", str(PAYMENTS), "--payers", "60", "--malformed", "10",
                        "--fraud-rate", "0.1", "--duplicates", "0.02")  # fmt: skip
    until(deployment.caught_up, "the group caught up")
    assert deployment.verdicts() == PAYMENTS
    assert len(deployment.records("transactions.dead-letter")) == 10

    assert engine.stop(container) == 0, engine.logs(container)
    said = engine.logs(container)
    assert "data loaded from" in said, "the kernels' cache was not looked into"
    assert "data saved" not in said
    assert "compiled anew" not in said, [line for line in said.splitlines() if "compiled anew" in line]


def test_nothing_in_it_compiles_and_nothing_was_left_by_the_build(engine: Engine) -> None:
    """By root, who sees all of it; the modes say what the user of the image could do if the root were not read-only."""
    found = json.loads(engine.run("-c", LOOK, options=("--entrypoint", "python", "--user", "0:0")))
    assert found["modules"] > 1000
    for what in ("compilers", "not_roots", "writable", "pip", "caches", "stale"):
        assert found[what] == [], what
    assert not {name for name in found["environment"] if name.startswith(("PIP_", "SSL_", "HTTP", "http"))}


def test_every_user_finds_the_commands(engine: Engine) -> None:
    for user in ("10001:10001", "54321:0"):
        assert "worker" in engine.run("--help", options=("--user", user))


def test_it_says_what_it_is(engine: Engine) -> None:
    config = engine.inspect(engine.image)["Config"]
    assert config["User"] == "10001:10001"
    labels = config["Labels"]
    stated = {name.removeprefix("org.opencontainers.image."): value for name, value in labels.items()}
    assert stated["title"] == "upi-fraud-stream"
    assert stated["licenses"] == "Apache-2.0"
    assert "@sha256:" in stated["base.name"]
    assert {stated[name] for name in ("version", "revision", "created")} & {"", "unknown"} == set()


def test_a_base_without_a_digest_is_refused() -> None:
    if not docker_answers():
        tool("podman")
    done = subprocess.run(
        [ROOT / "deploy/image/build.sh"],
        env={**os.environ, "BASE": "debian:bookworm-slim"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "expected a slim Debian with Python 3.11 and its digest" in done.stderr
