"""Apache Kafka as a plain JVM: one node that is broker and controller (KRaft), its jars from Maven."""

from __future__ import annotations

import subprocess
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING

from local import maven
from local.errors import FatalError, MissingProgramError
from local.kafka import APACHE_HEAP, APACHE_SETTINGS, ProcessBroker
from local.machine import java_program
from local.ports import HOST, free_port, is_free

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NO_SETTINGS: Mapping[str, str] = MappingProxyType({})

# As Kafka's own start script has them.
_JVM = (
    *("-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"),
    *("-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true"),
)


class JvmKafkaServer(ProcessBroker):
    """An Apache Kafka broker whose topics, records and offsets survive a restart."""

    start_seconds = 240  # on two slow cores that others use too it was seen to take 40

    def __init__(
        self, directory: Path, *, port: int | None = None, host: str = HOST, settings: Mapping[str, str] = NO_SETTINGS
    ) -> None:
        """`host`: where it listens, for clients that do not reach loopback; `settings`: of Kafka, besides ours."""
        super().__init__(directory, port=port)
        self._host = host
        self._settings = settings

    @property
    def address(self) -> str:
        """The broker's host:port."""
        return f"{self._host}:{self.port}"

    def _prepare(self) -> None:
        self._jars = maven.jars()
        (self.directory / "log4j2.properties").write_text(
            resources.files("local").joinpath("kafka_jars/log4j2.properties").read_text()
        )
        if not (self.data / "meta.properties").exists():
            self._format()

    def _command(self) -> list[str]:
        return [*self._java(), *APACHE_HEAP, *_JVM, "kafka.Kafka", str(self._write_properties(self.port))]

    def _java(self) -> list[str]:
        java = java_program()
        if java is None:
            raise MissingProgramError(
                "Apache Kafka without Docker needs Java 17 or newer (java), and it is neither in JAVA_HOME nor on the "
                "PATH. Install it, or use `upifraud up --kafka embedded`."
            )
        return [
            *(java, "-cp", f"{self._jars}/*"),
            f"-Dlog4j2.configurationFile={self.directory / 'log4j2.properties'}",
        ]

    def _write_properties(self, port: int) -> Path:
        controller = self._controller_port(port)
        settings = {
            **APACHE_SETTINGS,
            **self._settings,
            "listeners": f"PLAINTEXT://{self._host}:{port},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{self._host}:{port}",
            # Voters by address, not kept in the log: so both ports may change between two runs.
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "log.dirs": str(self.data),
        }
        path = self.directory / "server.properties"
        path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        return path

    def _controller_port(self, port: int) -> int:
        """Only this node speaks to it, so it need not stay the same."""
        while (controller := free_port()) == port or not is_free(controller):
            continue
        return controller

    def _format(self) -> None:
        command = [
            *self._java(),
            # It runs for a second: compiling it well would take longer.
            *("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "kafka.tools.StorageTool", "format"),
            *("--cluster-id", self.cluster_id, "--config", str(self._write_properties(free_port()))),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603 - our own
        if done.returncode != 0:
            raise FatalError(
                f"Kafka's StorageTool was to format {self.data} and failed: {(done.stderr or done.stdout).strip()}"
            )
