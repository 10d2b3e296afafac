"""Which format a file has, by its bytes first and by its name where they say nothing."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final

from files.errors import SourceError
from files.formats import text
from files.formats.csv_file import CsvFile
from files.formats.json_file import JsonFile, is_array, object_of
from files.formats.opened import Opened, readable
from files.formats.parquet_file import PARQUET, ParquetFile
from files.formats.piece import Told, unnamed

if TYPE_CHECKING:
    from pathlib import Path

    from files.formats.piece import Table

_SAMPLE: Final = 1 << 16
_JSON_NAMES: Final = frozenset({".jsonl", ".ndjson", ".json"})
_PACKED_NAMES: Final = frozenset({".gz", ".zst", ".zstd", ".gzip"})


def table(path: Path, told: Told = Told()) -> Table:  # noqa: B008  # it cannot be changed
    """Return a file as rows and columns; raises SourceError where it cannot be read, or is none of the formats."""
    with readable(path):
        with Opened(path) as file:
            sample = file.bytes.read(_SAMPLE)
        file = Opened(path)
        try:
            return _of_bytes(path, file, sample, told)
        except BaseException:
            file.__exit__()
            raise


def _of_bytes(path: Path, file: Opened, sample: bytes, told: Told) -> Table:
    if sample.startswith(PARQUET) or (_name(path) == ".parquet" and not _is_text(sample)):
        return ParquetFile(path, file, told.zone)
    if _name(path) == ".parquet":
        raise SourceError(f"{path}: expected a Parquet file, got text; let its name say what it is, as .csv or .jsonl")
    encoding = text.encoding_of(path, sample[:8], told.encoding)
    if not sample.strip(b"\xef\xbb\xbf\xff\xfe\x00\r\n\t "):
        what = "a JSON object in every line, but the file is empty"
        raise SourceError(f"{path}: expected {what}" if _name(path) in _JSON_NAMES else unnamed(path))
    begin = codecs.getincrementaldecoder(encoding)("replace").decode(sample)
    if is_array(begin):
        return JsonFile(path, file, encoding, array=True)
    if _name(path) in _JSON_NAMES or _is_object(begin):
        return JsonFile(path, file, encoding, array=False)
    return CsvFile(path, file, encoding, told.separator)


def _is_text(sample: bytes) -> bool:
    return b"\x00" not in sample


def _is_object(begin: str) -> bool:
    """Say whether the first line that is not blank is a JSON object, or the beginning of one."""
    first = begin.lstrip().split("\n", 1)[0].strip()
    return first.startswith("{") and (object_of(first.encode("utf-8", "replace")) is not None or first == "{")


def _name(path: Path) -> str:
    """Return how a file's name ends, but for .gz and .zst."""
    ending = path.suffix.lower()
    return path.with_suffix("").suffix.lower() if ending in _PACKED_NAMES else ending
