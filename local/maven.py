"""Apache Kafka's jars, resolved by Maven once and kept per user."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from local.errors import MissingProgramError, RetryableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SECONDS = 900
_NAMESPACE = {"m": "http://maven.apache.org/POM/4.0.0"}


def pom() -> str:
    """Return the text of the pom.xml that names the jars."""
    return resources.files("local").joinpath("kafka_jars/pom.xml").read_text()


def kafka_version() -> str:
    """Return the version of Apache Kafka that the pom.xml names: the one version for jars, Docker and compose."""
    version = ET.fromstring(pom()).findtext("m:properties/m:kafka.version", namespaces=_NAMESPACE)  # noqa: S314 - ours
    if version is None:
        raise AssertionError("local/kafka_jars/pom.xml has no property kafka.version")
    return version


def jar_directory() -> Path:
    """Return where the jars of this pom.xml are kept; another pom.xml has another directory."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(pom().encode()).hexdigest()[:8]
    return cache / "upi-fraud-stream" / f"kafka-{kafka_version()}-{digest}"


def jars(say: Callable[[str], None] = lambda _line: None) -> Path:
    """Return a directory with all of Apache Kafka's jars; Maven fetches them if it is the first time.

    Two at once are safe: one fetches, the other waits. Raises MissingProgramError without Maven, RetryableError if
    it could not fetch them.
    """
    directory = jar_directory()
    if directory.is_dir():
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _lock(directory.with_suffix(".lock")):
        if not directory.is_dir():
            say(f"fetching Apache Kafka {kafka_version()} with Maven (about 45 MB, once)")
            _fetch(directory)
    return directory


def _fetch(directory: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingProgramError(
            "Apache Kafka without Docker needs Maven (mvn) to fetch it, and it is not on the PATH. Install Maven and "
            "Java 17 or newer, or use `upifraud up --kafka embedded`."
        )
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".fetching-") as work:
        project = Path(work, "pom.xml")
        project.write_text(pom())
        target = Path(work, "jars")
        command = [
            *(maven, "--batch-mode", "--quiet", "--file", str(project)),
            *("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={target}"),
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)  # noqa: S603
        except subprocess.TimeoutExpired as error:
            raise RetryableError(
                f"Maven was to fetch Apache Kafka within {_SECONDS} s, and did not. Try again."
            ) from error
        if done.returncode != 0 or not any(target.glob("kafka_2.13-*.jar")):
            problem = "\n".join((done.stdout + done.stderr).splitlines()[-10:])
            raise RetryableError(
                f"Maven was to fetch Apache Kafka {kafka_version()} and failed. If this machine reaches no Maven "
                f"repository, name a mirror in ~/.m2/settings.xml, or use `upifraud up --kafka embedded`.\n{problem}"
            )
        # In one step, so that a directory that exists is complete.
        target.rename(directory)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
