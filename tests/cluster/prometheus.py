"""A real Prometheus that scrapes the pods which the kubelet's stand-in runs."""

from __future__ import annotations

import json
import shutil
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, ClassVar

import pytest
import yaml

from local.ports import HOST
from local.server import ProcessServer
from tests.cluster.pod_process import loopback

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.cluster.pod_process import PodProcess

SCRAPE_SECONDS = 5


class PrometheusServer(ProcessServer):
    """Prometheus with the pods of one namespace as targets, labelled as a PodMonitor would."""

    name: ClassVar[str] = "prometheus"

    def __init__(self, directory: Path, namespace: str, *, host: str = HOST) -> None:
        super().__init__(directory)
        self._namespace, self._host = namespace, host

    @property
    def address(self) -> str:
        return f"http://{self._host}:{self.port}"

    def problem(self) -> str | None:
        try:
            with urllib.request.urlopen(f"{self.address}/-/ready", timeout=2):
                return None
        except OSError as error:
            return str(error)

    def watch(self, pods: Iterable[PodProcess]) -> None:
        """Scrape these pods from now on."""
        groups = [
            {
                "targets": [f"{loopback(pod.ip)}:{port}" for port in pod.ports],
                "labels": {"namespace": self._namespace, "pod": pod.pod.metadata.name},
            }
            for pod in pods
        ]
        partial = self.directory / "targets.partial"
        partial.write_text(json.dumps(groups))
        partial.rename(self.directory / "targets.json")

    def query(self, query: str) -> float | None:
        """Return the value of a query that has one series; None if it has none."""
        url = f"{self.address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            result = json.load(answer)["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def _prepare(self) -> None:
        self.watch([])
        job = {
            "job_name": "upi-fraud-stream",
            "file_sd_configs": [{"files": [str(self.directory / "targets.json")], "refresh_interval": "2s"}],
        }
        whole = {"global": {"scrape_interval": f"{SCRAPE_SECONDS}s"}, "scrape_configs": [job]}
        (self.directory / "prometheus.yml").write_text(yaml.safe_dump(whole))

    def _command(self) -> list[str]:
        program = shutil.which("prometheus")
        if program is None:
            pytest.fail("The test of scaling needs Prometheus: deploy/tools.sh promtool installs Debian's.")
        return [
            program,
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.data}",
            f"--web.listen-address={self._host}:{self.port}",
        ]
