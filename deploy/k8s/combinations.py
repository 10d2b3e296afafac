"""Which components go together: every combination of them that somebody may choose, as kustomizations to render."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ORDER = (
    "redis",
    "postgres",
    "managed-stores",
    "api",
    "tls",
    "kafka-mtls",
    "api-mtls",
    "keda",
    "keda-mtls",
    "api-keda",
    "hpa",
    "api-hpa",
    "monitoring",
    "backup",
)
"""All components, each behind those that it changes."""

Combination = tuple[str, ...]


def problem(chosen: Combination) -> str | None:
    """Say why these components cannot be chosen together, in this order; None if they can."""
    has = chosen.__contains__
    if list(chosen) != sorted(chosen, key=ORDER.index):
        return f"expected the order {', '.join(ORDER)}"
    if has("keda") and has("hpa"):
        return "keda and hpa would both set the replicas: choose one"
    if has("keda-mtls") != (has("keda") and has("kafka-mtls")):
        return "keda-mtls belongs to keda where there is kafka-mtls, and only there"
    for part, other in (("api-mtls", "kafka-mtls"), ("api-keda", "keda"), ("api-hpa", "hpa")):
        if has(part) != (has("api") and has(other)):
            return f"{part} belongs to api where there is {other}, and only there"
    if has("managed-stores") == (has("redis") and has("postgres")):
        return "managed-stores is for the store that is not in the cluster"
    if has("tls") and not (has("redis") or has("postgres")):
        return "tls is for redis and postgres in the cluster"
    return None


def combinations() -> Iterator[Combination]:
    """Yield every combination that has no problem."""
    for picked in itertools.product((False, True), repeat=len(ORDER)):
        chosen = tuple(itertools.compress(ORDER, picked))
        if problem(chosen) is None:
            yield chosen


def representative() -> Iterator[Combination]:
    """Yield every combination of the components that change others, in turn with those that only add and without."""
    additions = ("monitoring", "backup")
    cores = sorted({tuple(name for name in chosen if name not in additions) for chosen in combinations()})
    turns = itertools.cycle([(), additions, additions[:1], additions, additions[1:]])
    for core, added in zip(cores, turns, strict=False):
        yield (*core, *added)


def name_of(chosen: Combination) -> str:
    """Name a combination as a directory and a namespace can be named."""
    return "-".join(chosen)


def kustomization(chosen: Combination, directory: Path, k8s: Path) -> str:
    """Return the kustomization of a combination that lies in `directory`."""
    here = os.path.relpath(k8s, directory)
    text: str = yaml.safe_dump(
        {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": "combination",
            "resources": [f"{here}/base"],
            "components": [f"{here}/components/{name}" for name in chosen],
            "transformers": [f"{here}/wiring"],
        }
    )
    return text
