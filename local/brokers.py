"""Makes the broker that was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.errors import FatalError
from local.kafka_docker import DockerKafkaServer
from local.kafka_jvm import JvmKafkaServer
from local.resolver import Kind
from local.tansu import TansuServer

if TYPE_CHECKING:
    from pathlib import Path

    from local.kafka import Broker


def make_broker(kind: Kind, directory: Path) -> Broker:
    """Return a broker of this kind, not started, that keeps what it has in this directory."""
    match kind:
        case Kind.EMBEDDED:
            return TansuServer(directory)
        case Kind.APACHE_DOCKER:
            return DockerKafkaServer(directory)
        case Kind.APACHE_JVM:
            return JvmKafkaServer(directory)
        case Kind.SETTINGS:
            raise FatalError("A broker that the settings name is somebody else's; only one of our own can be made.")
