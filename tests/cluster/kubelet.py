"""A stand-in for the kubelet: one node, whose pods are processes of this machine.

It does what a kubelet promises the control plane. It has a Node and renews its Lease; it runs what is bound to it, says
Running when the process runs and Ready when the pod's own probe is answered; it restarts what ends or is not live; and
where a pod is deleted it asks the process to end (SIGTERM), waits for that as long as the pod's grace period says, and
only then confirms. It binds the pods itself that name it as their scheduler, so no other scheduler's are touched.
"""

from __future__ import annotations

import datetime as dt
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from tests.cluster.pod_process import PodProcess, contents_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = "upifraud-stand-in"
"""Of the node and of the scheduler."""
_LEASES = "kube-node-lease"
_LEASE_SECONDS = 40
_RENEW_SECONDS = 10.0
_ROUND_SECONDS = 0.5
_NETWORK = "10.244.0."


@dataclass(frozen=True)
class Ended:
    """How a pod's process ended after it was asked to, and how long that took."""

    pod: str
    exit_code: int
    seconds: float


@dataclass
class Kubelet:
    """Runs the pods of one namespace from start to stop; `extra` gives variables that all processes get besides."""

    api: client.ApiClient
    namespace: str
    directory: Path
    extra: Callable[[str], dict[str, str]] = lambda _ip: {}
    pods: dict[str, PodProcess] = field(default_factory=dict)
    """Those that run, by uid."""
    ended: list[Ended] = field(default_factory=list)
    started_in: list[float] = field(default_factory=list)
    """Seconds from a process's start to its first readiness."""
    restarted: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What went wrong in its own rounds: a test should find none."""

    def __post_init__(self) -> None:
        self._core = client.CoreV1Api(self.api)
        self._leases = client.CoordinationV1Api(self.api)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=NAME, daemon=True)
        self._reported: dict[str, Any] = {}
        self._started_at: dict[str, float] = {}
        self._renewed_at = 0.0
        self._addresses = 0

    def __enter__(self) -> Self:
        """Join the cluster."""
        self._make_node()
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        """Leave it; what still runs is killed."""
        self._stop.set()
        self._thread.join(60)
        for process in self.pods.values():
            process.send(signal.SIGKILL)
        _gone(self._core.delete_node, NAME)
        _gone(self._leases.delete_namespaced_lease, NAME, _LEASES)

    def ready(self) -> int:
        """Return how many pods were said to be ready."""
        return sum(bool(status) and status["ready"] for status in self._reported.copy().values())

    # The node -----------------------------------------------------------------------------------------------------

    def _make_node(self) -> None:
        _gone(self._core.delete_node, NAME)
        node = client.V1Node(
            metadata=client.V1ObjectMeta(name=NAME, labels={"kubernetes.io/hostname": NAME}),
            # Only pods that name this scheduler come here, whatever other schedulers there are.
            spec=client.V1NodeSpec(taints=[client.V1Taint(key=NAME, value="true", effect="NoSchedule")]),
        )
        self._core.create_node(node)
        now = _now()
        conditions = [
            {"type": kind, "status": status, "reason": "StandIn", "lastHeartbeatTime": now, "lastTransitionTime": now}
            for kind, status in (("Ready", "True"), ("MemoryPressure", "False"), ("DiskPressure", "False"))
        ]
        room = {"cpu": "64", "memory": "256Gi", "pods": "110", "ephemeral-storage": "256Gi"}
        self._core.patch_node_status(
            NAME,
            {
                "status": {
                    "conditions": conditions,
                    "capacity": room,
                    "allocatable": room,
                    "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": NAME}],
                }
            },
        )
        self._renew()

    def _renew(self) -> None:
        """Tell the cluster that the node is alive, as often as a kubelet does."""
        if time.monotonic() - self._renewed_at < _RENEW_SECONDS:
            return
        self._renewed_at = time.monotonic()
        moment = dt.datetime.now(dt.UTC)
        spec = client.V1LeaseSpec(holder_identity=NAME, lease_duration_seconds=_LEASE_SECONDS, renew_time=moment)
        lease = client.V1Lease(metadata=client.V1ObjectMeta(name=NAME, namespace=_LEASES), spec=spec)
        try:
            self._leases.patch_namespaced_lease(NAME, _LEASES, lease)
        except ApiException as error:
            if error.status != 404:
                raise
            self._leases.create_namespaced_lease(_LEASES, lease)

    # Its pods -----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.wait(_ROUND_SECONDS):
            try:
                self._renew()
                self._round()
            except Exception as error:  # noqa: BLE001 - a kubelet goes on; the test looks at its problems
                self.problems.append(f"{type(error).__name__}: {error}")

    def _round(self) -> None:
        listed = {pod.metadata.uid: pod for pod in self._core.list_namespaced_pod(self.namespace).items}
        for uid, pod in listed.items():
            if pod.spec.scheduler_name != NAME or pod.status.phase in ("Succeeded", "Failed"):
                continue
            if pod.spec.node_name is None and pod.metadata.deletion_timestamp is None:
                self._bind(pod)
            elif uid in self.pods:
                self._look_after(uid, pod)
            elif pod.metadata.deletion_timestamp is None:
                self._start(uid, pod)
            else:
                self._confirm(pod)
        for uid in [uid for uid in self.pods if uid not in listed]:  # deleted by force
            self.pods.pop(uid).send(signal.SIGKILL)

    def _bind(self, pod: Any) -> None:
        target = client.V1ObjectReference(api_version="v1", kind="Node", name=NAME)
        binding = client.V1Binding(metadata=client.V1ObjectMeta(name=pod.metadata.name), target=target)
        # The client cannot read the answer, a Status.
        self._core.create_namespaced_pod_binding(
            pod.metadata.name, self.namespace, binding, _preload_content=False
        ).release_conn()

    def _start(self, uid: str, pod: Any) -> None:
        self._addresses += 1
        ip = f"{_NETWORK}{self._addresses}"
        contents = contents_of(
            self._core.list_namespaced_config_map(self.namespace), self._core.list_namespaced_secret(self.namespace)
        )
        process = PodProcess(pod, ip, self.directory / pod.metadata.name, contents, self.extra(ip))
        process.start()
        self._started_at[uid] = time.monotonic()
        self.pods[uid] = process
        self._report(uid, ready=False)

    def _look_after(self, uid: str, pod: Any) -> None:
        process, now = self.pods[uid], time.monotonic()
        code = process.poll()
        if pod.metadata.deletion_timestamp is not None:
            self._end(uid, pod, code, now)
        elif code is not None:
            self._ended(uid, pod, code)
        elif not process.live(now):
            self.problems.append(f"{pod.metadata.name} is not live")
            process.send(signal.SIGTERM)
        else:
            self._report(uid, ready=process.ready(now))

    def _end(self, uid: str, pod: Any, code: int | None, now: float) -> None:
        process = self.pods[uid]
        if process.asked_to_stop_at is None:
            process.asked_to_stop_at = now
            process.send(signal.SIGTERM)
            self._report(uid, ready=False)
        elif code is None and now - process.asked_to_stop_at > (pod.metadata.deletion_grace_period_seconds or 0):
            process.send(signal.SIGKILL)
        elif code is not None:
            self.ended.append(Ended(pod.metadata.name, code, now - process.asked_to_stop_at))
            del self.pods[uid]
            self._reported.pop(uid, None)
            self._confirm(pod)

    def _ended(self, uid: str, pod: Any, code: int) -> None:
        process = self.pods[uid]
        if pod.spec.restart_policy == "Always" or (pod.spec.restart_policy == "OnFailure" and code != 0):
            self.restarted.append(f"{pod.metadata.name} ended with {code}")
            process.restarts += 1
            process.start()
            self._report(uid, ready=False)
            return
        del self.pods[uid]
        self._reported.pop(uid, None)
        terminated = {"exitCode": code, "reason": "Completed" if code == 0 else "Error", "finishedAt": _now()}
        status = {"phase": "Succeeded" if code == 0 else "Failed", "conditions": _conditions(ready=False)}
        status["containerStatuses"] = [self._container(process, {"terminated": terminated}, ready=False)]
        self._core.patch_namespaced_pod_status(pod.metadata.name, self.namespace, {"status": status})

    def _confirm(self, pod: Any) -> None:
        options = client.V1DeleteOptions(
            grace_period_seconds=0, preconditions=client.V1Preconditions(uid=pod.metadata.uid)
        )
        _gone(self._core.delete_namespaced_pod, pod.metadata.name, self.namespace, body=options)

    def _report(self, uid: str, *, ready: bool) -> None:
        """Patch the pod's status where it has changed."""
        process = self.pods[uid]
        known = {"ready": ready, "restarts": process.restarts}
        if self._reported.get(uid) == known:
            return
        running = {"running": {"startedAt": _now()}}
        status = {
            "phase": "Running",
            "podIP": process.ip,
            "podIPs": [{"ip": process.ip}],
            "hostIP": "10.0.0.1",
            "startTime": process.pod.status.start_time or _now(),
            "conditions": _conditions(ready=ready),
            "containerStatuses": [self._container(process, running, ready=ready)],
        }
        self._core.patch_namespaced_pod_status(process.pod.metadata.name, self.namespace, {"status": status})
        self._reported[uid] = known
        if ready and process.readiness is not None and uid in self._started_at:
            self.started_in.append(time.monotonic() - self._started_at.pop(uid))

    @staticmethod
    def _container(process: PodProcess, state: dict[str, Any], *, ready: bool) -> dict[str, Any]:
        return {
            "name": process.container.name,
            "image": process.container.image,
            "imageID": "this-checkout",
            "containerID": f"process://{process.process.pid if process.process else 0}",
            "ready": ready,
            "started": True,
            "restartCount": process.restarts,
            "state": state,
        }


def _conditions(*, ready: bool) -> list[dict[str, str]]:
    now = _now()
    said = {"Initialized": True, "PodReadyToStartContainers": True, "ContainersReady": ready, "Ready": ready}
    return [{"type": kind, "status": str(value), "lastTransitionTime": now} for kind, value in said.items()]


def _gone(delete: Callable[..., Any], *arguments: Any, **more: Any) -> None:
    """Delete what may be gone already, or be another one by now."""
    try:
        delete(*arguments, **more)
    except ApiException as error:
        if error.status not in (404, 409):
            raise


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
