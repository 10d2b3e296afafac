"""`upifraud status`: what runs, where, and whether it answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from local.stack import PROGRAM
from upifraud.local_stack import (
    configured_in,
    environment,
    stack_of,
    state_dir_option,
    told_as_errors,
    without_password,
)

if TYPE_CHECKING:
    from pathlib import Path

    from local.stack import ServerState

EPILOG = """
\b
Examples:
  upifraud status
  upifraud status --json | jq -r '.[] | select(.problem) | .name'
"""


@click.command(epilog=EPILOG)
@state_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def command(state_dir: Path, as_json: bool) -> None:
    """Ask every server of the stack, and its API where one was started; exits with 1 unless all of them answer."""
    with told_as_errors():
        states = stack_of(state_dir).states(configured_in(environment()).kafka_conf)
    if as_json:
        click.echo(json.dumps([_row(state) for state in states], indent=1))
    elif states:
        _print_table(states)
    if not states:
        raise click.ClickException(f"There is no stack in {state_dir}. Start one with `upifraud up`.")
    silent = [state for state in states if state.problem]
    if silent:
        option = " --api" if any(state.kind == PROGRAM for state in silent) else ""
        raise click.ClickException(f"Not every server answers. Start what does not run with `upifraud up{option}`.")


def _row(state: ServerState) -> dict[str, str | None]:
    return {
        "name": state.name,
        "kind": state.kind,
        "address": without_password(state.address),
        "condition": state.condition,
        "problem": state.problem,
    }


def _print_table(states: list[ServerState]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [_row(state) for state in states]
    screen = Console(highlight=False)
    if not screen.is_terminal:
        for row in rows:
            click.echo(f"{row['name']}: {row['kind']}, {row['address']}, {row['condition']}, {_answers(row)}")
        return
    table = Table("server", "kind", box=None, padding=(0, 2, 0, 0))
    table.add_column("address", overflow="fold")
    table.add_column("")
    table.add_column("answers", overflow="fold")
    for row in rows:
        mood = "red" if row["problem"] else "green"
        cells = (row["name"], row["kind"], row["address"], row["condition"])
        table.add_row(*(str(cell) for cell in cells), Text(_answers(row), style=mood))
    screen.print(table)


def _answers(row: dict[str, str | None]) -> str:
    return row["problem"] or "answers"
