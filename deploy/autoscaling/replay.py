"""A recorded run played again by the model: the same load, the same settings, pods as fast as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from deploy.autoscaling import keda
from deploy.autoscaling.group import Pace
from deploy.autoscaling.simulation import Cluster, simulate

if TYPE_CHECKING:
    from deploy.autoscaling.recording import Recording
    from deploy.autoscaling.simulation import Course

STEP = 0.5


def replay(recording: Recording) -> Course:
    """Return what the model makes of a recording, from when the first pods were at work; times as recorded."""
    setting, result = recording.setting, recording.result
    scaled = keda.read(setting["scaled_object"])
    seconds, produced = recording.column("second"), recording.column("produced")
    lag = produced - recording.column("committed")
    begin = int(np.argmax(recording.column("ready") >= scaled.bounds.least))
    start = float(seconds[begin])
    pace = Pace(
        rate=result["payments_a_second_a_pod"],
        start_seconds=float(np.median(result["seconds_from_start_to_ready"])),
    )
    cluster = Cluster(setting["partitions"], pace, setting["sync_seconds"], setting["scrape_seconds"])

    def load(now: float) -> float:
        before, after = np.interp([start + now, start + now + STEP], seconds, produced)
        return float(after - before) / STEP

    course = simulate(
        scaled,
        cluster,
        load,
        float(seconds[-1]) - start,
        step=STEP,
        replicas=int(recording.moments[begin].replicas),
        waiting=float(lag[begin]),
    )
    course.seconds[:] += start
    return course


def pod_rate(recording: Recording) -> float:
    """Return the payments/s that a pod did where all of them had more to do than they could.

    From the moments with a backlog worth several seconds and no pod coming or going for as long as the rate is taken.
    """
    window = 10.0
    seconds, ready = recording.column("second"), recording.column("ready")
    done = recording.rate("committed", window)
    lag = recording.column("produced") - recording.column("committed")
    full = []
    for at, now in enumerate(seconds):
        recent = (seconds >= now - window - 5) & (seconds <= now)
        if now - seconds[0] > window and np.ptp(ready[recent]) == 0 and lag[recent].min() > 3 * done[at]:
            full.append(done[at] / ready[at])
    if not full:
        raise ValueError("the recording: expected 15 s of backlog with as many pods all the time, found none.")
    return round(float(np.median(full)), 1)
