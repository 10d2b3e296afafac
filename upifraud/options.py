"""Options that several commands share, and what their values may be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable

FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
FILES: Final = click.Path(path_type=Path)
"""A file, a folder of them, or a pattern; whether it is there is for its reader to say."""


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


zone: Final = click.option(
    "--zone", type=Zone(), help="Of Parquet timestamps that have none: Asia/Kolkata, or +05:30. Without it: refused."
)
