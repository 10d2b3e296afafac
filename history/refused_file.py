"""Refused rows as a CSV file that is whole or not there: which row, why, of which column."""

from __future__ import annotations

import csv
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from history.refusals import ignored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from files.source import Refused
    from history.refusals import Note

HEADER: Final = ("of", "row", "reason", "column", "detail")


@contextmanager
def refused_file(path: Path | None, *, with_rows: bool = False) -> Iterator[Note]:
    """Yield what takes note of refused rows in a file; without a path nothing is noted.

    The file is there also where the command ends because too many rows were refused. It has no personal values but
    `with_rows`, which adds a column `content`: the row as JSON.
    """
    if path is None:
        yield ignored
        return
    partial = path.with_name(f".{path.name}.partial")
    with _said(path):
        file = partial.open("w", encoding="utf-8", newline="")
    try:
        with file:
            rows = csv.writer(file)
            rows.writerow((*HEADER, "content") if with_rows else HEADER)

            def note(what: str, refused: Refused) -> None:
                line = (what, refused.row, str(refused.reason), refused.column, refused.detail)
                with _said(path):
                    rows.writerow((*line, refused.content) if with_rows else line)

            try:
                yield note
            except click.ClickException:
                file.close()
                partial.rename(path)
                raise
        with _said(path):
            partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise click.ClickException(
            f"{path}: expected a place where refused rows can be written, got: {error.strerror or error}; give another "
            "with --refused"
        ) from None
