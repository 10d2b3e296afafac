"""What a command that measures a history may use: memory, and disk where that is not enough."""

from __future__ import annotations

import re
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from history.large import Means

_SIZE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(MB|GB|TB|MiB|GiB|TiB)", re.IGNORECASE)
_UNITS: Final = {
    "mb": 10**6, "gb": 10**9, "tb": 10**12, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}  # fmt: skip


class Size(click.ParamType):
    """An amount of memory on the command line, as bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a number with its unit."""
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(value)
        if match is None:
            self.fail(f"expected a size as 4GB or 800MB; got {value!r}", param, ctx)
        return int(float(match[1]) * _UNITS[match[2].lower()])


def measuring_means(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --memory and --spill; the command takes them as `memory` and `spill`."""

    @click.option(
        "--memory",
        type=Size(),
        default="4GB",
        show_default=True,
        help="What all processes may use together, at least 2GB; a longer history is measured in parts on disk.",
    )
    @click.option(
        "--spill",
        type=click.Path(file_okay=False, path_type=Path),
        help="Directory for these parts.  [default: beside --out]",
    )
    @wraps(command)
    def with_means(memory: int, spill: Path | None, **options: Any) -> Any:
        from history.spill.plan import LEAST_MEMORY

        if memory < LEAST_MEMORY:
            raise click.UsageError(
                f"--memory: expected at least {LEAST_MEMORY / 1e9:.0f}GB, which the processes need themselves, got "
                f"{memory / 1e9:.2g}GB"
            )
        return command(memory=memory, spill=spill, **options)

    return with_means


def means(memory: int, spill: Path | None, output: Path, output_bytes: int) -> Means:
    """Return the means of a command that writes so many bytes of each payment, at most; it says what it needs."""
    from history.large import Means

    return Means(memory, spill, output, output_bytes, say=lambda line: click.echo(line, err=True))
