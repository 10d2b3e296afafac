"""What the brokers of the local stack have in common: an address, a cluster id, settings, and how they are asked."""

from __future__ import annotations

import base64
import uuid
from typing import ClassVar

from local import kafka_admin
from local.ports import HOST
from local.server import ProcessServer, Server

APACHE_SETTINGS = {
    "node.id": "1",
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # There is one node to hold the cluster's own topics.
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # Nobody else is about to join a group on a laptop; the default waits 3 s for them.
    "group.initial.rebalance.delay.ms": "0",
    # A misspelt topic is an error, not a new topic with one partition.
    "auto.create.topics.enable": "false",
}
"""Of Apache Kafka as a single node, whichever way it is started; everything else has Kafka's defaults."""

APACHE_HEAP = ("-Xms512m", "-Xmx1g")


class Broker(Server):
    """A single broker that speaks the Kafka protocol."""

    name: ClassVar[str] = "kafka"
    assignment: ClassVar[str] = "cooperative-sticky"
    """The partition assignment that works on this broker."""
    durable: ClassVar[bool] = True
    """Whether records and offsets survive a restart."""

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect first, as host:port; the same as address."""
        return self.address

    @property
    def cluster_id(self) -> str:
        """The cluster's id, made once; by it a broker is told from another one on the same port."""
        path = self.directory / "cluster-id"
        if not path.exists():
            path.write_text(_new_cluster_id() + "\n")
        return path.read_text().strip()

    def problem(self) -> str | None:
        """Ask for the cluster's metadata: it must be our cluster, and a broker must be ready to lead partitions."""
        return kafka_admin.ask(self.address, cluster_id=self.cluster_id)


class ProcessBroker(Broker, ProcessServer):
    """A broker that is a process of this machine, on a loopback port."""

    @property
    def address(self) -> str:
        """The broker's host:port."""
        return f"{HOST}:{self.port}"


def _new_cluster_id() -> str:
    """Return a random id in Kafka's form: 16 bytes in URL-safe base64, no leading dash."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
