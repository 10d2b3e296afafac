"""Apache Kafka in a container, through testcontainers: one node that is broker and controller (KRaft)."""

from __future__ import annotations

import contextlib
import shutil
import time
from typing import TYPE_CHECKING, Any, ClassVar

from local.docker_engine import engine
from local.errors import NotReadyError
from local.kafka import APACHE_HEAP, APACHE_SETTINGS, Broker
from local.maven import kafka_version
from local.ports import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.docker_engine import Engine

_POLL_SECONDS = 0.2
_STOP_SECONDS = 30
_LOG_LINES = 15
_LOCAL_HOSTS = ("localhost", HOST)
_DATA = "/var/lib/kafka/data"


class DockerKafkaServer(Broker):
    """An Apache Kafka broker in a container; stopped it keeps its records, offsets and port, removed it does not."""

    start_seconds: ClassVar[float] = 180

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._id_file = directory / "container"
        self._address_file = directory / "address"
        self._started_file = directory / "started"

    @property
    def address(self) -> str:
        """The broker's host:port."""
        if not self._address_file.exists():
            raise NotReadyError(f"{self.name} in {self.directory} was never started, so it has no address yet.")
        return self._address_file.read_text().strip()

    @property
    def running(self) -> bool:
        """Whether the container that we started still runs."""
        with self._container() as container:
            return container is not None and container.status == "running"

    @property
    def stale(self) -> bool:
        """Whether the container was started, never stopped, and runs no more."""
        return self._started_file.exists() and not self.running

    @property
    def whereabouts(self) -> str:
        """Its container."""
        return f"container {self._id_file.read_text().strip()[:12]}"

    def start(self) -> None:
        """Return when the broker answers; the first time, the image is fetched and the container made."""
        began = time.monotonic()
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with engine() as docker:
            container = docker.find(self._id_file.read_text().strip()) if self._id_file.exists() else None
            if container is None:  # never made, or removed by somebody else
                container = docker.find(self._make(docker))
            found_running = container is not None and container.status == "running"
            if container is not None and not found_running:
                container.start()
        self._started_file.touch()
        self._wait(began)
        self.ready_seconds = None if found_running else time.monotonic() - began

    def stop(self) -> None:
        """Let the broker write what it must and end; the container stays, with its records."""
        with self._container() as container:
            if container is not None:
                container.stop(timeout=_STOP_SECONDS)
        self._started_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """End the container at once, as a power cut would."""
        with self._container() as container:
            if container is not None and container.status == "running":
                container.kill()

    def remove(self) -> None:
        """Remove the container and its records."""
        with self._container() as container:
            if container is not None:
                container.remove(force=True, v=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _make(self, docker: Engine) -> str:
        """Make the container, not started: the same port inside and outside, so that one address serves both."""
        here = docker.host() in _LOCAL_HOSTS
        host, port = (HOST if here else docker.host()), free_port()
        container_id = docker.make(
            f"apache/kafka:{kafka_version()}",
            container_environment(host, port, self.cluster_id),
            # On this machine it listens on loopback only: it asks nobody for a password.
            {f"{port}/tcp": (HOST, port) if here else port},
        )
        self._address_file.write_text(f"{host}:{port}\n")
        self._id_file.write_text(f"{container_id}\n")
        return container_id

    @contextlib.contextmanager
    def _container(self) -> Iterator[Any | None]:
        """Look at the container; None if there is none (any more)."""
        if not self._id_file.exists():
            yield None
            return
        with engine() as docker:
            yield docker.find(self._id_file.read_text().strip())

    def _wait(self, began: float) -> None:
        while (problem := self.problem()) is not None:
            with self._container() as container:
                ended = container is None or container.status in ("exited", "dead")
                log = "" if container is None else container.logs(tail=_LOG_LINES).decode(errors="replace")
            if ended or time.monotonic() - began > self.start_seconds:
                state = "ended while it was starting" if ended else f"does not answer: {problem}"
                raise NotReadyError(
                    f"{self.name} in a container on {self.address} was expected to answer within "
                    f"{self.start_seconds:.0f} s, and {state}. Its log ends with:\n{log}"
                )
            time.sleep(_POLL_SECONDS)


def container_environment(host: str, port: int, cluster_id: str) -> dict[str, str]:
    """Return what the image apache/kafka makes its server.properties of."""
    settings = {
        **APACHE_SETTINGS,
        "listeners": f"PLAINTEXT://0.0.0.0:{port},CONTROLLER://localhost:9093",
        "advertised.listeners": f"PLAINTEXT://{host}:{port}",
        "controller.quorum.voters": "1@localhost:9093",
        "log.dirs": _DATA,
    }
    variables = {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in settings.items()}
    return {**variables, "CLUSTER_ID": cluster_id, "KAFKA_HEAP_OPTS": " ".join(APACHE_HEAP)}
