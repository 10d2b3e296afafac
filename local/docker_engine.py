"""Speaks with a Docker engine; the only module here that imports testcontainers and docker."""

from __future__ import annotations

import importlib
import importlib.util
import socket
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from local.errors import RetryableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SECONDS = 60
_FIRST_SECONDS = 5
_DEFAULT_SOCKET = "unix:///var/run/docker.sock"


class Engine:
    """A Docker engine that answered; made by `engine()`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def host(self) -> str:
        """Return the host on which published ports are reached."""
        return str(self._client.host())

    def ping(self) -> None:
        """Return if the engine answers."""
        self._client.client.ping()

    def make(self, image: str, environment: Mapping[str, str], ports: Mapping[str, Any]) -> str:
        """Make a container, not started, its image fetched if it is not here; returns its id.

        Made without testcontainers' reaper, which would remove it as soon as we end.
        """
        from testcontainers.core.config import testcontainers_config

        name = testcontainers_config.hub_image_name_prefix + image
        return str(self._client.create(name, environment=dict(environment), ports=dict(ports), detach=True).id)

    def find(self, container_id: str) -> Any | None:
        """Return a container by its id; None if there is none any more."""
        try:
            return self._client.client.containers.get(container_id)
        except _docker_errors().NotFound:
            return None


@contextmanager
def engine(seconds: int = _SECONDS) -> Iterator[Engine]:
    """Speak with the engine of DOCKER_HOST, of the current context or of this machine.

    Whatever it refuses, and no answer within so many seconds, is a RetryableError.
    """
    from testcontainers.core.docker_client import DockerClient

    errors = _docker_errors()
    try:
        client = DockerClient(timeout=seconds)
        try:
            yield Engine(client)
        finally:
            client.client.close()
    except errors.DockerException as error:
        raise RetryableError(
            f"The Docker engine was asked and answered: {error}. Look at it with `docker info`; without it, `upifraud "
            "up --kafka apache` uses Java and Maven."
        ) from error


@cache
def engine_problem() -> str | None:
    """Ask for an engine that answers, and the packages that speak with it; None if all are here."""
    for package in ("docker", "testcontainers"):
        if importlib.util.find_spec(package) is None:
            return f"the package {package} is not installed"
    from testcontainers.core.docker_client import get_docker_host

    if (problem := _socket_problem(get_docker_host() or _DEFAULT_SOCKET)) is not None:
        return f"no Docker engine answers ({problem})"
    try:
        with engine(_FIRST_SECONDS) as found:
            found.ping()
    except RetryableError as error:
        return f"no Docker engine answers ({error.__cause__})"
    return None


def _socket_problem(docker_host: str) -> str | None:
    """Try a unix socket first: where nobody listens, the docker package takes long to say so and leaks the socket."""
    scheme, _, path = docker_host.partition("://")
    if scheme != "unix":
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError as error:
            return f"{path}: {error.strerror}"
    return None


def _docker_errors() -> Any:
    return importlib.import_module("docker.errors")  # the package publishes no types
