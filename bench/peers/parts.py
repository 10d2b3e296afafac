"""What every peer is given: the worker's settings, the artifact, the model's key in Postgres, and where to count."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.peers.progress import Progress
from features.schema import SCHEMA_HASH
from model.artifact import DEFAULT_DIR, Artifact, load
from stream.settings import Settings, read_settings
from stream.verdict_store import VerdictStore
from upifraud.worker import described

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Parts:
    """What a peer is made from."""

    settings: Settings
    model_dir: Path
    artifact: Artifact
    model_key: int
    progress: Progress

    @classmethod
    def from_environment(cls, progress: Path) -> Parts:
        """Read the environment as the worker does, and count in the file given."""
        settings = read_settings(os.environ)
        model_dir = settings.model_dir or DEFAULT_DIR
        artifact = load(model_dir, schema_hash=SCHEMA_HASH)
        store = VerdictStore(settings.postgres_url)
        try:
            model_key = store.model_key(described(artifact))
        finally:
            store.close()
        return cls(settings, model_dir, artifact, model_key, Progress(progress))
