"""The error of files: what was handed in can never be read as it is; the file, or the map, must change."""

from __future__ import annotations


class SourceError(Exception):
    """A file, or the map of its columns, cannot be read as messages."""
