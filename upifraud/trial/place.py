"""A directory that is there whole or not at all."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType

REPORT: Final = "report.json"
"""A directory that holds it is a trial's own, and may be replaced."""


def check_place(directory: Path) -> None:
    """Raise ClickException where a trial could not be written, before the work that leads to it."""
    if directory.is_dir() and any(directory.iterdir()) and not (directory / REPORT).is_file():
        raise click.ClickException(
            f"--out {directory}: expected a new or empty directory, or that of an earlier trial, but it holds other "
            "files; name another."
        )
    above = next(path for path in directory.absolute().parents if path.exists())
    try:
        with TemporaryDirectory(dir=above):
            pass
    except OSError as error:
        raise click.ClickException(
            f"--out {directory}: expected a directory that can be written to, got: {error.strerror}; name another "
            "place."
        ) from error


@contextmanager
def written_whole(directory: Path) -> Iterator[Path]:
    """Yield an empty directory; what is in it at the end becomes `directory`, and after an interruption nothing does.

    An earlier trial there is replaced. SIGTERM ends the work as an interruption does.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _told_to_stop(), TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}.") as scratch:
        made = _path(scratch, directory)
        made.mkdir()
        yield made
        old = made.with_name("old")
        if directory.exists():
            directory.rename(old)
        try:
            made.rename(directory)
        except OSError:
            if old.exists():
                old.rename(directory)
            raise


def _path(scratch: str, directory: Path) -> Path:
    return type(directory)(scratch) / "new"


@contextmanager
def _told_to_stop() -> Iterator[None]:
    """Make SIGTERM an exception, so that what was begun is removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def write(directory: Path, files: dict[str, bytes]) -> None:
    """Write files into a directory."""
    for name, content in files.items():
        (directory / name).write_bytes(content)
