"""The settings that are shipped, and others to compare them with; all by the shipped derivation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import yaml

from deploy.autoscaling import keda
from deploy.autoscaling.group import Pace
from deploy.autoscaling.simulation import Cluster
from deploy.k8s.scaled_object import Figures, read_figures, render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.autoscaling.keda import ScaledObject

PARTITIONS: Final = 60
START_SECONDS: Final = 30.0
"""Of a pod, where its image is on the node."""


def shipped() -> ScaledObject:
    """Return the ScaledObject of production."""
    return scaled(read_figures())


def production() -> Cluster:
    """Return production's topic and pods."""
    return Cluster(PARTITIONS, Pace(float(read_figures().pod_rate), start_seconds=START_SECONDS))


def scaled(figures: Figures, triggers: tuple[int, ...] | None = None) -> ScaledObject:
    """Return the ScaledObject that the derivation gives for other figures, or with some of its triggers only."""
    whole = keda.read(yaml.safe_load(render(figures)))
    return whole if triggers is None else replace(whole, triggers=tuple(whole.triggers[at] for at in triggers))


def candidates() -> Mapping[str, ScaledObject]:
    """Return what is compared, the shipped settings first."""
    figures = read_figures()
    return {
        "shipped": scaled(figures),
        "lag alone": scaled(figures, (0,)),
        "lag and seconds behind": scaled(figures, (0, 1)),
        "flow over 2 minutes": _flow_over(scaled(figures), "2m"),
        "pods 60 % busy": scaled(replace(figures, busy_share=0.6)),
        "pods 70 % busy": scaled(replace(figures, busy_share=0.7)),
        "pods 80 % busy": scaled(replace(figures, busy_share=0.8)),
        "drain within 5 s": scaled(replace(figures, drain_seconds=5)),
        "scale-in after 5 minutes": scaled(replace(figures, scale_in_seconds=300)),
    }


def _flow_over(scaled_object: ScaledObject, window: str) -> ScaledObject:
    *others, flow = scaled_object.triggers
    if not isinstance(flow, keda.PrometheusTrigger) or "[" not in flow.query:
        raise keda.ScaledObjectError(f"the last trigger: expected the flow over a window, got {flow}.")
    before, _, after = flow.query.partition("[")
    query = f"{before}[{window}]{after.partition(']')[2]}"
    return replace(scaled_object, triggers=(*others, replace(flow, query=query)))
