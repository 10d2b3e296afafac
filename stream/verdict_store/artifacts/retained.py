"""Artifacts by model id: a verdict is explained by the model that gave it, not by today's."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from model.artifact import METADATA, Artifact, load
from stream.verdict_store.artifacts import registry
from stream.verdict_store.artifacts.archive import unpack
from stream.verdict_store.artifacts.errors import ArtifactGoneError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stream.verdict_store.records import Model


class RetainedArtifacts:
    """Finds the artifact of a model: in directories that are artifacts or hold some, then in the verdict store.

    Each is loaded once and stays in memory. For one thread.
    """

    def __init__(self, directories: Iterable[Path], url: str | None = None) -> None:
        self._directories = list(dict.fromkeys(directories))
        self._url = url
        self._loaded: dict[str, Artifact] = {}

    def artifact(self, model: Model) -> Artifact:
        """Return the artifact of a model, proven to be what the verdict store knows of it.

        Raises ArtifactGoneError that names the model if it is nowhere, ArtifactError if it is there and was altered.
        """
        if model.model_id not in self._loaded:
            self._loaded[model.model_id] = self._find(model)
        return self._loaded[model.model_id]

    def _find(self, model: Model) -> Artifact:
        for directory in self._candidates():
            if _model_id(directory) == model.model_id:
                return _proven(load(directory), model, str(directory))
        archive = None if self._url is None else registry.fetch(self._url, model.model_id)
        if archive is not None:
            # Nobody else gets at this directory, and nothing of it is needed once its files were checked and read.
            with TemporaryDirectory(prefix="upifraud-artifact-") as private:
                unpack(archive, Path(private))
                return _proven(load(private), model, "the verdict store")
        looked = ", ".join([*map(str, self._directories), *(["the verdict store"] if self._url else [])])
        raise ArtifactGoneError(
            f"Verdicts of model {model.model_id} cannot be explained without its artifact, and it is not in {looked}. "
            "Name the directory where it is kept with --model-dir, or put it into the verdict store with "
            "`upifraud model keep DIR`."
        )

    def _candidates(self) -> Iterator[Path]:
        for directory in self._directories:
            if (directory / METADATA).is_file():
                yield directory
            elif directory.is_dir():
                yield from sorted(path.parent for path in directory.glob(f"*/{METADATA}"))


def _proven(artifact: Artifact, model: Model, where: str) -> Artifact:
    """Return the artifact if it is the model's: its id is the hash of its content, which `load` has checked."""
    known = (model.model_id, model.schema_hash, model.base_value, model.features)
    if (artifact.model_id, artifact.schema_hash, artifact.base_value, artifact.feature_names) != known:
        raise ArtifactGoneError(
            f"The artifact of model {model.model_id} in {where} is not the one that the verdicts were given by: "
            "expected the id, schema, base value and features that the verdict store has."
        )
    return artifact


def _model_id(directory: Path) -> str | None:
    try:
        metadata = json.loads((directory / METADATA).read_bytes())
    except (OSError, ValueError):
        return None  # not ours to complain of: the one looked for may be whole
    return metadata.get("model_id") if isinstance(metadata, dict) else None
