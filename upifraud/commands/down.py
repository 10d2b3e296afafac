"""`upifraud down`: the servers of a stack have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from upifraud.local_stack import ENV_FILE, console, stack_of, state_dir_option, told_as_errors

if TYPE_CHECKING:
    from pathlib import Path

EPILOG = """
\b
Examples:
  upifraud down                        the data stays, `upifraud up` goes on with it
  upifraud down --wipe                 the data goes too
  upifraud down --state-dir /tmp/two   another stack
"""


@click.command(epilog=EPILOG)
@state_dir_option
@click.option("--wipe", is_flag=True, help="Remove the data too.")
def command(state_dir: Path, wipe: bool) -> None:
    """Stop the servers that `upifraud up` started, and no others; its API first, which answers what it has begun."""
    screen = console()
    with told_as_errors(), screen.status("stopping servers"):
        stopped = stack_of(state_dir, screen.print).down(wipe=wipe)
    screen.print(f"stopped: {', '.join(stopped)}" if stopped else "nothing ran")
    if wipe:
        # Its addresses lead nowhere now.
        (state_dir / ENV_FILE).unlink(missing_ok=True)
        screen.print(f"removed the data in {state_dir}")
