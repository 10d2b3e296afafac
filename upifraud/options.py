"""Options that several commands share, and what their values may be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable

FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
"""One file, as a map."""


class Files(click.ParamType):
    """Somebody's files on the command line: one, a folder of them, or a pattern in quotes."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path if there is anything under it."""
        from files.errors import SourceError
        from files.formats.paths import expand

        path = Path(value)
        try:
            there = all(one.exists() for one in expand(path))
        except (SourceError, OSError) as error:
            self.fail(str(error), param, ctx)
        if not there:
            self.fail(
                f"{value!r}: expected a file, a folder of files, or a pattern as 'day-*.csv'; there is none", param, ctx
            )
        return path


FILES: Final = Files()
SEVERAL: Final = "A folder, a pattern in quotes, or the option again for more; read by name, as one."


class Share(click.ParamType):
    """A share on the command line: 0.01, or 1%."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a number from 0 to 1, or a percentage."""
        if isinstance(value, float):
            return value
        number = str(value).strip()
        try:
            share = float(number[:-1]) / 100 if number.endswith("%") else float(number)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            self.fail(f"expected a share from 0 to 1, as 0.01, or a percentage, as 1%; got {value!r}", param, ctx)
        return share


class Zone(click.ParamType):
    """A zone on the command line."""

    name = "zone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read an IANA name or an offset from UTC."""
        from files.zones import check_zone

        try:
            return check_zone(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def max_rejected(what: str, default: str) -> Callable[[Any], Any]:
    """Return the option --max-rejected-payments or --max-rejected-outcomes."""
    return click.option(
        f"--max-rejected-{what}",
        type=Share(),
        default=default,
        show_default=True,
        help=f"Share of {what} that may be refused; beyond it nothing is written and the exit code is 1.",
    )


map_: Final = click.option(
    "--map", "map_", type=FILE, help="TOML: which column is which field, and how it is written (docs/specs/map.md)."
)
outcomes_map: Final = click.option(
    "--outcomes-map",
    type=FILE,
    help="The same for --outcomes. Without both, outcomes are those that --map finds in the payments.",
)


def refused(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options --refused and --refused-rows."""
    to = click.option(
        "--refused",
        type=click.Path(dir_okay=False, path_type=Path),
        help="CSV file to write: every refused row's number, reason, column, and what was expected.",
    )
    rows = click.option(
        "--refused-rows", is_flag=True, help="Write what those rows hold, too: personal values as they are."
    )
    return to(rows(command))


zone: Final = click.option(
    "--zone", type=Zone(), help="Of times that have none: Asia/Kolkata, or +05:30. Without it they are refused."
)
