"""The table of artifacts: one archive a model, which is never changed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from model.artifact import load
from stream.verdict_store.artifacts.archive import files_of, packed
from stream.verdict_store.artifacts.errors import ArtifactArchiveError
from stream.verdict_store.connector import plain_connection

if TYPE_CHECKING:
    from model.artifact import Artifact

_IS_THERE: Final = "SELECT 1 FROM model_artifacts WHERE model_id = %s"
_ADD: Final = """
INSERT INTO model_artifacts (model_id, sha256, archive, size) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_FETCH: Final = "SELECT sha256, archive FROM model_artifacts WHERE model_id = %s"
_KEPT: Final = """
SELECT model_id, size, octet_length(archive), stored_at, EXISTS (SELECT FROM models AS m WHERE m.model_id = a.model_id)
FROM model_artifacts AS a WHERE size >= %s ORDER BY stored_at, model_id
"""


class KeptArtifact(NamedTuple):
    """An artifact that is kept."""

    model_id: str
    size: int
    """Bytes of its files."""
    packed: int
    """Bytes of its archive."""
    stored_at: int
    """Epoch milliseconds."""
    has_verdicts: bool
    """Whether a worker has had it."""


def keep(url: str, directory: Path, artifact: Artifact | None = None) -> bool:
    """Keep the artifact of a directory, unless it is there; return whether it was stored now.

    `artifact` is what was loaded from the directory, if that was done before. Raises ArtifactError for a directory that
    has no whole artifact, ArtifactArchiveError for one that is too large.
    """
    artifact = load(directory) if artifact is None else artifact
    with plain_connection(url, name="artifacts") as connection:
        if connection.execute(_IS_THERE, (artifact.model_id,)):
            return False
        files = files_of(Path(directory))
        archive = packed(files)
        size = sum(map(len, files.values()))
        digest = hashlib.sha256(archive).digest()
        return connection.count(_ADD, (artifact.model_id, digest, archive, size)) > 0


def fetch(url: str, model_id: str) -> bytes | None:
    """Return the archive of a model as it was stored; None if it is not kept.

    Raises ArtifactArchiveError if its bytes are others by now.
    """
    with plain_connection(url, name="artifacts") as connection:
        found = connection.execute(_FETCH, (model_id,))
    if not found:
        return None
    digest, archive = (bytes(cell) for cell in found[0])
    if hashlib.sha256(archive).digest() != digest:
        raise ArtifactArchiveError(
            f"Expected the artifact of model {model_id} as it was stored, got bytes with another SHA-256; the row in "
            "model_artifacts was altered: remove it, and keep the artifact anew with `upifraud model keep DIR`."
        )
    return archive


def kept(url: str) -> list[KeptArtifact]:
    """Return what is kept, oldest first."""
    with plain_connection(url, name="artifacts") as connection:
        return [KeptArtifact(*row) for row in connection.execute(_KEPT, (0,))]
