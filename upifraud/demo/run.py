"""A run of the demo: the order in which its parts begin and end, whatever happens in between."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from simulator.kafka import Outlet
from stream.kafka.config import checked_client_config
from upifraud.demo.alert_feed import AlertFeed, Alerts
from upifraud.demo.api_process import ApiProcess
from upifraud.demo.errors import ApiEndedError, FatalError, StalledError, WorkerEndedError
from upifraud.demo.servers import Servers, broker_name, settings_of
from upifraud.demo.traffic import DemoTraffic
from upifraud.demo.watcher import Watcher
from upifraud.demo.worker_process import KernelProcess, WorkerProcess
from upifraud.local_api.offer import HOW_TO_INSTALL, is_installed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from local.resolver import Wanted
    from simulator.publisher import Summary
    from upifraud.demo.plan import Plan
    from upifraud.demo.reading import Reading


STALLED_SECONDS: Final = 180.0
"""A worker that finishes nothing for so long while payments wait has failed; a first one compiles for a minute."""
HURRIED_SECONDS: Final = 5.0
"""How long an interrupted demo lets the worker catch up before it is told to stop."""
SETTLE_SECONDS: Final = 5.0
DRAIN_SECONDS: Final = 40.0
_POLL_SECONDS: Final = 0.05


class Phase(StrEnum):
    """What the demo is doing."""

    STARTING = "starting"
    WARMING_UP = "warming up"
    LIVE = "live"
    CATCHING_UP = "catching up"
    STOPPING = "stopping"


class DemoRun:
    """Runs the demo in a thread of its own, in this order:

    1 servers up, empty; 2 worker, alerts and switch; 3 warm-up, and the worker catches up; 4 live traffic, and the
    worker catches up; 5 switch stopped, worker drained, API ended, servers down. A stop or a failure at any point goes
    to 5. The API starts at the first verdict: before, it would take CPU time from it.
    """

    def __init__(
        self,
        plan: Plan,
        wanted: Wanted,
        directory: Path,
        environ: Mapping[str, str],
        *,
        keep: bool = False,
        note: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.plan = plan
        self.began = time.monotonic()
        self.phase = Phase.STARTING
        self.phase_began = self.began
        self.kafka = ""
        self.alerts = Alerts()
        self.worker = WorkerProcess(directory)
        self.api = ApiProcess(directory)
        self.api_said = ""
        """Where the API is and how to call it; empty while it does not answer."""
        self.watcher: Watcher | None = None
        self.traffic: DemoTraffic | None = None
        self.warmed: Summary | None = None
        self.played: Summary | None = None
        self.before_live: Reading | None = None
        """The reading between warm-up and live traffic."""
        self.warm_up_seconds = 0.0
        """From the first verdict to the last of the warm-up; 0 until it is over."""
        self.completed = False
        """Whether all traffic was sent and judged."""
        self.exit_code: int | None = None
        """The worker's."""
        self.failure: BaseException | None = None
        self._environment: Mapping[str, str] = {}
        self._api_begun = False
        self._api_lock = threading.Lock()
        self._servers = Servers(directory, environ, note)
        self._wanted = wanted
        self._keep = keep
        self._note = note
        self._stop = threading.Event()
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._run, name="run")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    @property
    def first_verdict(self) -> float | None:
        """Seconds from the beginning to the first verdict that was seen; None before it."""
        if self.watcher is None or self.watcher.judged_at is None:
            return None
        return self.watcher.judged_at - self.began

    def stop(self) -> None:
        """End early: in good order the first time, without waiting for the worker to catch up the second time."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()
        if self.traffic is not None:
            self.traffic.stop()

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join()

    def look_after(self) -> None:
        """Notice a worker that has ended, or does not get on, and send it nothing more; see to the API."""
        if self.first_verdict is not None:
            self._start_api()
        if not self.api_said and self.api.is_running and self.api.is_ready():
            self.api_said = f"API {self.api.address}/docs, try: {self.api.call()}"
            self._note(f"api: {self.api_said}")
        if self.traffic is not None and (self.worker.exit_code is not None or self._stalled(self.traffic)):
            self.traffic.stop()

    def _run(self) -> None:
        try:
            with ExitStack() as ends:
                self._perform(ends)
        except BaseException as error:  # noqa: BLE001 - told by the thread that shows the demo
            self.failure = error

    def _perform(self, ends: ExitStack) -> None:
        self._servers.claim()
        ends.callback(self._servers.release)
        for name, process in (("worker", self.worker), ("api", self.api)):
            if process.sweep():
                self._note(f"{name}: a demo before was killed and had left one; it is stopped")
        ends.callback(self._down)
        ends.callback(KernelProcess().close)
        record, environment = self._servers.up(self._wanted)
        self.kafka = broker_name(record.kafka.kind)
        if self._stop.is_set():
            return
        ends.push(self._stop_api)
        self._environment = environment
        settings = settings_of(environment)
        conf = checked_client_config(settings)

        self.watcher = watcher = Watcher(self.worker.page, settings.topic_transactions)
        ends.callback(watcher.close)
        feed = AlertFeed(conf, settings.topic_alerts, self.alerts)
        ends.callback(feed.close)
        ends.push(self._stop_worker)  # before the two above: what it still finishes is to be seen
        self.worker.start(environment)
        self._note("worker: started; the first one of all compiles its kernels, half a minute or so")

        topics = (settings.topic_transactions, settings.topic_outcomes)
        self.traffic = DemoTraffic(
            self.plan, int(time.time() * 1_000), Outlet(conf), topics, lambda: watcher.last().consumed
        )
        self._note(f"switch: {self.plan.payers:,} payers, seed {self.plan.seed}")
        try:
            self._traffic(self.traffic)
            self.completed = not self._stop.is_set()
        finally:
            self._enter(Phase.STOPPING)
            self.traffic.stop()

    def _traffic(self, traffic: DemoTraffic) -> None:
        self._enter(Phase.WARMING_UP)
        self.warmed = traffic.warm_up()
        self._catch_up(traffic)
        self.before_live = before = self._last()
        if self.watcher is not None and self.watcher.judged_at is not None:
            self.warm_up_seconds = before.at - self.watcher.judged_at
        if self._stop.is_set():
            return
        if self.watcher is not None:
            with self.watcher.lock:
                self.watcher.course.begin_part()
        self._enter(Phase.LIVE)
        self.played = traffic.live()
        self._enter(Phase.CATCHING_UP)
        self._catch_up(traffic)

    def _catch_up(self, traffic: DemoTraffic) -> None:
        """Return when the worker has finished every record that was sent; raises where it does not get on."""
        stopped: float | None = None
        while (last := self._last()).consumed < traffic.records:
            if self.worker.exit_code is not None:
                raise self._worker_ended("ended by itself")
            if self._stalled(traffic):
                raise StalledError(
                    f"Expected the worker to finish {traffic.records:,} records; it has been at {last.consumed:,} for "
                    f"{STALLED_SECONDS:.0f} s. Its log, {self.worker.log}, ends with:\n{self.worker.log_tail()}"
                )
            if self._stop.is_set():
                stopped = stopped or time.monotonic()
                if self._hurry.is_set() or time.monotonic() - stopped > HURRIED_SECONDS:
                    return
            time.sleep(_POLL_SECONDS)
        self._settle()

    def _stalled(self, traffic: DemoTraffic) -> bool:
        """Tell whether records wait and none was finished for too long."""
        if self.watcher is None or self.watcher.last().consumed >= traffic.records:
            return False
        return time.monotonic() - self.watcher.moved_at > STALLED_SECONDS

    def _settle(self) -> None:
        """Wait until what was just finished is told everywhere: verdicts, lag, and alerts at the end of their topic."""
        if self.watcher is None:
            return
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline and not self._hurry.is_set():
            reading = self.watcher.look()
            if len(self.alerts) >= reading.flagged and not reading.lag_records:
                return
            time.sleep(_POLL_SECONDS)

    def _start_api(self) -> None:
        """Start the API, once; not where the end has begun."""
        with self._api_lock:
            if self._api_begun or self._stop.is_set():
                return
            self._api_begun = True
            if not is_installed():
                self._note(f"api: not installed; {HOW_TO_INSTALL} brings what it needs")
                return
            self.api.start(self._environment, next(iter(self.alerts.newest()), None))
            self._note("api: started; the first one of all compiles kernels of its own")

    def _stop_api(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """End the API; raises ApiEndedError if it had ended by itself, or does not end cleanly."""
        with self._api_lock:
            self._api_begun = True
        early = self.api.exit_code is not None
        self.api_said = ""
        code = self.api.stop(DRAIN_SECONDS)
        if error is None and (early or code):
            how = "ended by itself" if early else "did not end cleanly when it was told to stop"
            raise ApiEndedError(
                f"The API {how}, with exit code {code}. Its log, {self.api.log}, ends with:\n{self.api.log_tail()}"
            )

    def _stop_worker(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Drain the worker; raises WorkerEndedError if it had ended by itself, or does not end cleanly."""
        early = self.worker.exit_code is not None
        self._note("worker: finishes what it has begun")
        self.exit_code = self.worker.stop(DRAIN_SECONDS)
        if error is None and (early or self.exit_code):
            raise self._worker_ended("ended by itself" if early else "did not end cleanly when it was told to stop")

    def _worker_ended(self, how: str) -> WorkerEndedError:
        return WorkerEndedError(
            f"The worker {how}, with exit code {self.worker.exit_code}. Its log, {self.worker.log}, ends with:\n"
            f"{self.worker.log_tail()}"
        )

    def _down(self) -> None:
        self._enter(Phase.STOPPING)
        if self._keep:
            self._note(f"servers: left running; `upifraud down --wipe --state-dir {self._servers.directory}` ends them")
            return
        self._note("servers: stop, and their data goes")
        self._servers.down()

    def _last(self) -> Reading:
        if self.watcher is None:
            raise FatalError("Expected a worker to be watched, there is none yet; this is a mistake in the program.")
        return self.watcher.last()

    def _enter(self, phase: Phase) -> None:
        if self.phase is not phase:
            self.phase, self.phase_began = phase, time.monotonic()
