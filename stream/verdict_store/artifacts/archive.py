"""An artifact's files as one zip file, and back: a file more, a path, or a size that was not expected is refused."""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

from model.artifact import METADATA
from stream.verdict_store.artifacts.errors import ArtifactArchiveError

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_BYTES: Final = 256 * 1024 * 1024
"""Of all files of one artifact. PostgreSQL holds a gigabyte in a cell; a zip file may claim to unpack to anything."""
MOST_FILES: Final = 64
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def files_of(directory: Path) -> dict[str, bytes]:
    """Return the files of an artifact that was loaded, and so checked: its metadata and those that it names.

    Raises ArtifactArchiveError if they were changed since.
    """
    metadata = (directory / METADATA).read_bytes()
    files = {METADATA: metadata}
    for name, expected in json.loads(metadata)["files"].items():
        if not (directory / name).is_file():
            continue  # kept for audit only: an image may leave it out
        files[name] = (directory / name).read_bytes()
        if hashlib.sha256(files[name]).hexdigest() != expected:
            raise ArtifactArchiveError(f"Expected {directory / name} with SHA-256 {expected}; it was changed just now.")
    return files


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return a zip file that depends on the files alone. Raises ArtifactArchiveError for what is too large."""
    _check(len(files), sum(map(len, files.values())))
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            member = ZipInfo(name, date_time=_EPOCH)
            archive.writestr(member, content, compress_type=ZIP_DEFLATED)
    return buffer.getvalue()


def unpack(archive: bytes, directory: Path) -> None:
    """Write the files into a directory that is empty. Raises ArtifactArchiveError for what is no artifact's archive."""
    try:
        with ZipFile(io.BytesIO(archive)) as opened:
            members = opened.infolist()
            _check(len(members), sum(member.file_size for member in members))
            for member in members:
                _write(opened, member, directory)
    except (BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error, UnicodeError) as error:
        raise ArtifactArchiveError(
            f"Expected a zip file of an artifact in the verdict store, got {error}; keep the artifact anew with "
            "`upifraud model keep DIR`."
        ) from error


def _write(archive: ZipFile, member: ZipInfo, directory: Path) -> None:
    name = member.filename
    if name != Path(name).name or name in ("", ".", "..") or "\\" in name or member.is_dir():
        raise ArtifactArchiveError(f"Expected names of files in an artifact's archive, got {name!r}.")
    with archive.open(member) as packed_file:
        content = packed_file.read(member.file_size + 1)
    if len(content) != member.file_size:
        raise ArtifactArchiveError(f"Expected {member.file_size} bytes of {name!r} in an archive, got others.")
    with (directory / name).open("xb") as file:
        file.write(content)


def _check(files: int, size: int) -> None:
    if files > MOST_FILES or size > MOST_BYTES:
        raise ArtifactArchiveError(
            f"Expected an artifact of at most {MOST_FILES} files and {MOST_BYTES:,} bytes, got {files} and {size:,}; "
            "keep it in a directory, and name that with --model-dir."
        )
