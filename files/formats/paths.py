"""Which files are meant: one, several, a folder of them, or a pattern; in the order of their names."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING, Final

from files.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SIGNS: Final = frozenset("*?[")


def expand(paths: Path | Sequence[Path]) -> list[Path]:
    """Return the files, each once, by name; raises SourceError where a folder or a pattern has none.

    Of a folder all that it holds counts, at any depth, but what begins with `.` or `_`, as the marks of other programs.
    A single file that is not there is for its reader to complain of.
    """
    given = [paths] if isinstance(paths, Path) else list(paths)
    if not given:
        raise SourceError("expected at least one file, got none")
    found = list(dict.fromkeys(file for path in given for file in _files(path)))
    return sorted(found, key=lambda path: path.parts)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        files = [*_inside(path)]
        if not files:
            raise SourceError(f"{path}: expected a folder with files in it, but it has none")
        return files
    if not path.exists() and _SIGNS & set(str(path)):
        files = [Path(name) for name in glob.glob(str(path), recursive=True) if Path(name).is_file()]  # noqa: PTH207
        if not files:
            raise SourceError(f"{path}: expected files of this pattern, but there are none")
        return files
    return [path]


def _inside(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts):
            yield path


def title(paths: Path | Sequence[Path], files: Sequence[Path]) -> Path:
    """Return what the files are called together: the folder, the pattern or the one file that was given."""
    if isinstance(paths, Path):
        return paths
    return files[0] if len(files) == 1 else Path(f"{files[0]} and {len(files) - 1} more")
