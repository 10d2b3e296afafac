"""Artifacts kept beside the verdicts that they gave, so that each verdict can be explained wherever it is read."""

from stream.verdict_store.artifacts.errors import ArtifactArchiveError, ArtifactGoneError
from stream.verdict_store.artifacts.registry import KeptArtifact, fetch, keep, kept
from stream.verdict_store.artifacts.retained import RetainedArtifacts

__all__ = [
    "ArtifactArchiveError",
    "ArtifactGoneError",
    "KeptArtifact",
    "RetainedArtifacts",
    "fetch",
    "keep",
    "kept",
]
