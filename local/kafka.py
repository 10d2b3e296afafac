"""What the brokers of the local stack have in common: an address, a cluster id, and how they are asked."""

from __future__ import annotations

import base64
import uuid
from typing import ClassVar, Protocol

from local import kafka_admin
from local.ports import HOST
from local.server import ProcessServer


class Broker(Protocol):
    """A server that speaks the Kafka protocol."""

    assignment: ClassVar[str]
    durable: ClassVar[bool]

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect first, as host:port."""


class KafkaServer(ProcessServer):
    """A single broker as a process on a loopback port."""

    name: ClassVar[str] = "kafka"
    assignment: ClassVar[str] = "cooperative-sticky"
    """The partition assignment that works on this broker."""
    durable: ClassVar[bool] = True
    """Whether records and offsets survive a restart."""

    @property
    def address(self) -> str:
        """The broker's host:port."""
        return f"{HOST}:{self.port}"

    @property
    def bootstrap_servers(self) -> str:
        """The same as address."""
        return self.address

    @property
    def cluster_id(self) -> str:
        """The cluster's id, made once; by it a broker is told from another one on the same port."""
        path = self.directory / "cluster-id"
        if not path.exists():
            path.write_text(new_cluster_id() + "\n")
        return path.read_text().strip()

    def problem(self) -> str | None:
        """Ask for the cluster's metadata: it must be our cluster, and a broker must be ready to lead partitions."""
        return kafka_admin.ask(self.address, cluster_id=self.cluster_id)


def new_cluster_id() -> str:
    """Return a random id in Kafka's form: 16 bytes in URL-safe base64, no leading dash."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
