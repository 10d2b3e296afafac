"""Looks at a run once a second with eyes of its own: offsets in Kafka, replicas in the API, lag in Prometheus."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from confluent_kafka import Consumer, TopicPartition
from kubernetes import client

from tests.cluster.recording import Moment

if TYPE_CHECKING:
    from tests.cluster.kubelet import Kubelet
    from tests.cluster.scene import Servers

TOPIC = "transactions"
NAME = "upi-fraud-stream"


class Offsets:
    """What was published to the payments' topic and what its group has committed; it never joins the group."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": bootstrap_servers, "group.id": NAME, "enable.auto.commit": False}
        )
        partitions = self._consumer.list_topics(TOPIC, timeout=30).topics[TOPIC].partitions
        self._partitions = [TopicPartition(TOPIC, partition) for partition in partitions]

    def committed(self) -> int:
        """Return how many records the group is done with."""
        return sum(max(one.offset, 0) for one in self._consumer.committed(self._partitions, timeout=30))

    def produced(self) -> int:
        """Return how many records there are."""
        return sum(self._consumer.get_watermark_offsets(one, timeout=30)[1] for one in self._partitions)

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()


class Observer:
    """Takes a Moment every second from entering to leaving, and tells Prometheus which pods there are."""

    def __init__(self, api: client.ApiClient, namespace: str, servers: Servers, kubelet: Kubelet, query: str) -> None:
        self.moments: list[Moment] = []
        self.problems: list[str] = []
        self._apps = client.AppsV1Api(api)
        self._namespace, self._servers, self._kubelet, self._query = namespace, servers, kubelet, query
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self.began = 0.0

    def __enter__(self) -> Self:
        """Begin to look."""
        self._offsets = Offsets(self._servers.kafka.address)
        self.began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join(60)
        self._offsets.close()

    @property
    def last(self) -> Moment:
        """The latest look."""
        return self.moments[-1] if self.moments else Moment(0, 0, 0, 0, 0, 0, 0)

    def _run(self) -> None:
        while not self._stop.wait(1.0 - (time.monotonic() - self.began) % 1.0):
            try:
                self.moments.append(self._look())
            except Exception as error:  # noqa: BLE001 - the run goes on; the test looks at the problems
                self.problems.append(f"{type(error).__name__}: {error}")

    def _look(self) -> Moment:
        second = round(time.monotonic() - self.began, 2)
        pods = list(self._kubelet.pods.values())
        self._servers.prometheus.watch(pods)
        committed = self._offsets.committed()
        scale = self._apps.read_namespaced_deployment_scale(NAME, self._namespace)
        return Moment(
            second=second,
            produced=self._offsets.produced(),
            committed=committed,
            behind=round(self._servers.prometheus.query(self._query) or 0.0, 2),
            replicas=scale.spec.replicas,
            pods=len(pods),
            ready=self._kubelet.ready(),
        )
