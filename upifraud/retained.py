"""Artifacts that are still there, by model id: a verdict is explained by the model that gave it, not by today's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from model.artifact import METADATA, Artifact, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from stream.verdict_store import Model


class RetainedArtifacts:
    """Finds the artifact of a model in directories that are artifacts or hold some; each is loaded once."""

    def __init__(self, directories: Iterable[Path]) -> None:
        self._directories = list(dict.fromkeys(directories))
        self._loaded: dict[str, Artifact] = {}

    def artifact(self, model: Model) -> Artifact:
        """Return the artifact of a model, proven to be what the verdict store knows of it.

        Raises ClickException that names the model if none of the directories has it.
        """
        if model.model_id not in self._loaded:
            self._loaded[model.model_id] = self._find(model)
        return self._loaded[model.model_id]

    def _find(self, model: Model) -> Artifact:
        for directory in self._candidates():
            if _model_id(directory) == model.model_id:
                artifact = load(directory)
                known = (model.schema_hash, model.base_value, model.features)
                if (artifact.schema_hash, artifact.base_value, artifact.feature_names) != known:
                    raise click.ClickException(
                        f"The artifact of model {model.model_id} in {directory} is not the one that the verdicts were "
                        "given by: expected the schema, base value and features that the verdict store has."
                    )
                return artifact
        looked = ", ".join(map(str, self._directories))
        raise click.ClickException(
            f"Verdicts of model {model.model_id} cannot be explained without its artifact, and it is not in {looked}. "
            "Name the directory where it is kept with --model-dir."
        )

    def _candidates(self) -> Iterator[Path]:
        for directory in self._directories:
            if (directory / METADATA).is_file():
                yield directory
            elif directory.is_dir():
                yield from sorted(path.parent for path in directory.glob(f"*/{METADATA}"))


def _model_id(directory: Path) -> str | None:
    try:
        metadata = json.loads((directory / METADATA).read_bytes())
    except (OSError, ValueError):
        return None  # not ours to complain of: the one looked for may be whole
    return metadata.get("model_id") if isinstance(metadata, dict) else None
