"""What can go wrong with artifacts that are kept; each needs somebody."""

from __future__ import annotations

from stream.errors import FatalError


class ArtifactGoneError(FatalError):
    """The artifact that gave a verdict is nowhere to be found, or another stands in its place."""


class ArtifactArchiveError(FatalError):
    """An artifact cannot be kept in the verdict store, or what is kept there is none."""
