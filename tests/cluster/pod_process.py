"""One pod as one process of this machine: what its container would see, from the pod's own specification.

Init containers run first, one after the other, then the first container. Commands are run from this checkout; the
environment is the pod's own, with values from ConfigMaps, Secrets and the downward API as the API server has them;
mounted volumes are folders, and every mount path in a value or an argument is replaced by the folder's. Not played: the
image, the user, the read-only root, limits of CPU and memory, the network. All pods share this machine's, each with an
address of its own.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.process import ProcessId, spawn

if TYPE_CHECKING:
    from collections.abc import Mapping

BIN = Path(sys.executable).parent
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR")


def loopback(pod_ip: str) -> str:
    """Return the address on this machine that stands for a pod's: 10.244.0.7 is 127.244.0.7."""
    return f"127.{pod_ip.partition('.')[2]}"


@dataclass
class Probe:
    """One probe of a container, asked when its period has passed; `ok` changes after the threshold only."""

    path: str
    port: int
    period: float
    timeout: float
    failures: int
    successes: int
    ok: bool = False
    run: int = 0
    """So many answers in a row that contradict `ok`."""
    due: float = 0.0

    @classmethod
    def of(cls, probe: Any, ports: Mapping[str, int], *, ok: bool = False) -> Probe | None:
        """Read a probe of the API; None if the container has none."""
        if probe is None:
            return None
        port = probe.http_get.port
        return cls(
            probe.http_get.path,
            ports.get(port, port) if isinstance(port, str) else port,
            probe.period_seconds or 10,
            probe.timeout_seconds or 1,
            probe.failure_threshold or 3,
            probe.success_threshold or 1,
            ok,
        )

    def ask(self, host: str, now: float) -> bool:
        """Ask if it is time, and return what holds."""
        if now < self.due:
            return self.ok
        self.due = now + self.period
        if self._answers(host) == self.ok:
            self.run = 0
            return self.ok
        self.run += 1
        if self.run >= (self.failures if self.ok else self.successes):
            self.ok, self.run = not self.ok, 0
        return self.ok

    def _answers(self, host: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://{host}:{self.port}{self.path}", timeout=self.timeout) as answer:
                return 200 <= answer.status < 400
        except (urllib.error.HTTPError, OSError):
            return False


@dataclass
class PodProcess:
    """The process of the container of a pod that runs now; the last one is the pod's own."""

    pod: Any
    ip: str
    directory: Path
    objects: Mapping[tuple[str, str], Mapping[str, bytes]]
    """Contents of ConfigMaps and Secrets, by kind and name."""
    extra: Mapping[str, str] = field(default_factory=dict)
    restarts: int = 0
    process: ProcessId | None = None
    exit_code: int | None = None
    asked_to_stop_at: float | None = None

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.container = self.pod.spec.containers[0]
        self._left = [*(self.pod.spec.init_containers or ()), self.container]
        self._volumes = {volume.name: volume for volume in self.pod.spec.volumes or ()}
        ports = {port.name: port.container_port for port in self.container.ports or ()}
        self.ports = list(ports.values())
        self.startup = Probe.of(self.container.startup_probe, ports)
        self.readiness = Probe.of(self.container.readiness_probe, ports)
        self.liveness = Probe.of(self.container.liveness_probe, ports, ok=True)

    @property
    def log(self) -> Path:
        """What the process said."""
        return self.directory / "log"

    def start(self) -> None:
        """Start the process, or start it again."""
        container = self._left[0]
        folders = self._mount(container)
        words = [_replaced(word, folders) for word in [*(container.command or ()), *(container.args or ())]]
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environment |= {name: _replaced(text, folders) for name, text in self._environment(container).items()}
        environment |= {**self.extra, "PATH": f"{BIN}:{os.environ['PATH']}"}
        program = shutil.which(words[0], path=environment["PATH"])
        if program is None:
            raise LookupError(f"{words[0]}: expected a program of this checkout or of this machine, found none")
        self.process = spawn([program, *words[1:]], log=self.log, environment=environment)
        self.exit_code = None

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""
        if self.process is not None and self.exit_code is None:
            pid, status = os.waitpid(self.process.pid, os.WNOHANG)
            if pid:
                self.exit_code = os.waitstatus_to_exitcode(status)
        if self.exit_code == 0 and len(self._left) > 1 and self.asked_to_stop_at is None:
            del self._left[0]
            self.start()
        return self.exit_code

    def send(self, number: int) -> None:
        """Send it a signal."""
        if self.process is not None and self.poll() is None:
            os.kill(self.process.pid, number)

    def ready(self, now: float) -> bool:
        """Tell whether its probes say that it is ready."""
        host = loopback(self.ip)
        if self.poll() is not None or (
            self.startup is not None and not self.startup.ok and not self.startup.ask(host, now)
        ):
            return False
        return self.readiness is None or self.readiness.ask(host, now)

    def live(self, now: float) -> bool:
        """Tell whether its liveness probe is content."""
        started = self.startup is None or self.startup.ok
        return not started or self.liveness is None or self.liveness.ask(loopback(self.ip), now)

    def _environment(self, container: Any) -> dict[str, str]:
        values: dict[str, str] = {}
        for source in container.env_from or ():
            kind, reference = (
                ("ConfigMap", source.config_map_ref) if source.config_map_ref else ("Secret", source.secret_ref)
            )
            for name, content in self._object(kind, reference.name, optional=reference.optional).items():
                values[(source.prefix or "") + name] = content.decode()
        for variable in container.env or ():
            values[variable.name] = (
                variable.value or "" if variable.value_from is None else self._value(variable.value_from)
            )
        return values

    def _value(self, source: Any) -> str:
        if source.field_ref is not None:
            metadata = self.pod.metadata
            fields = {"metadata.name": metadata.name, "metadata.namespace": metadata.namespace, "status.podIP": self.ip}
            return str(fields[source.field_ref.field_path])
        kind, reference = (
            ("ConfigMap", source.config_map_key_ref) if source.config_map_key_ref else ("Secret", source.secret_key_ref)
        )
        return self._object(kind, reference.name)[reference.key].decode()

    def _mount(self, container: Any) -> dict[str, str]:
        folders = {}
        for mount in container.volume_mounts or ():
            volume, folder = self._volumes[mount.name], self.directory / "volumes" / mount.name
            folder.mkdir(parents=True, exist_ok=True)
            for kind, name, optional in _contents(volume):
                for key, content in self._object(kind, name, optional=optional).items():
                    (folder / key).touch(mode=0o600)
                    (folder / key).write_bytes(content)
            folders[mount.mount_path] = str(folder)
        return folders

    def _object(self, kind: str, name: str, *, optional: bool | None = False) -> Mapping[str, bytes]:
        if (kind, name) in self.objects:
            return self.objects[kind, name]
        if optional:
            return {}
        raise LookupError(f"{kind} {name} was expected in the pod's namespace, and is not there")


def contents_of(maps: Any, secrets: Any) -> dict[tuple[str, str], dict[str, bytes]]:
    """Return the contents of ConfigMaps and Secrets as the API lists them."""
    found = {
        ("ConfigMap", one.metadata.name): {key: text.encode() for key, text in (one.data or {}).items()}
        for one in maps.items
    }
    for one in secrets.items:
        found["Secret", one.metadata.name] = {key: base64.b64decode(text) for key, text in (one.data or {}).items()}
    return found


def _contents(volume: Any) -> list[tuple[str, str, bool]]:
    """Return what a volume is filled with: kind, name, and whether it may be missing."""
    sources = [volume] if volume.projected is None else volume.projected.sources
    found = []
    for source in sources:
        if source.config_map is not None:
            found.append(("ConfigMap", source.config_map.name, bool(source.config_map.optional)))
        if source.secret is not None:
            name = source.secret.secret_name if volume.projected is None else source.secret.name
            found.append(("Secret", name, bool(source.secret.optional)))
    return found


def _replaced(text: str, folders: Mapping[str, str]) -> str:
    """Put folders in the place of mount paths, all at once: a folder may have another mount path in its own."""
    if not folders:
        return text
    paths = "|".join(re.escape(path) for path in sorted(folders, key=len, reverse=True))
    return re.sub(rf"({paths})(?![\w.-])", lambda found: folders[found[1]], text)
