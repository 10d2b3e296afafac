"""Lines of a map that a person gives on the command line or has left open in a file."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import click

from files.errors import SourceError
from files.formats.text import read
from upifraud.proposal.proposal import OPEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from upifraud.proposal.proposal import Toml


def chosen_lines(lines: Sequence[str]) -> dict[str, Toml]:
    """Return what was chosen, each a line of TOML; raises UsageError where one is none."""
    chosen: dict[str, Any] = {}
    for line in lines:
        try:
            table = tomllib.loads(line)
        except tomllib.TOMLDecodeError as error:
            raise click.UsageError(
                f"--choose {line!r}: expected a line of a map, as 'zone = \"Asia/Kolkata\"' or 'payer_vpa = "
                '"sender"\', '
                f"got: {error}"
            ) from None
        _merge(chosen, table)
    return chosen


def check_map(path: Path) -> dict[str, Any]:
    """Return a map's TOML; raises ClickException where something in it is still to be chosen."""
    try:
        tables = tomllib.loads(read(path))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, SourceError) as error:
        raise click.ClickException(f"{path}: expected a TOML file that can be read, got: {error}") from None
    if still := list(_open(tables)):
        raise click.ClickException(
            f"{path}: expected a map in which all is chosen, but {', '.join(still)} "
            f"{'is' if len(still) == 1 else 'are'} "
            f'still "{OPEN}"; the lines above say what can be written there.'
        )
    return tables


def _open(tables: dict[str, Any], above: str = "") -> Iterator[str]:
    for name, value in tables.items():
        if value == OPEN:
            yield f"{above}{name}"
        elif isinstance(value, dict):
            yield from _open(value, f"{above}{name}.")


def _merge(into: dict[str, Any], table: dict[str, Any]) -> None:
    for name, value in table.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value


def write_text(path: Path, content: str) -> None:
    """Write a map whole; what was there before, and is another, is kept beside it as `.old`."""
    made = content.encode()
    if path.exists() and path.read_bytes() != made:
        path.replace(path.with_name(f"{path.name}.old"))
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_bytes(made)
    unfinished.replace(path)
