"""`upifraud try`: from somebody's file to a map, and from the map to a model that is judged."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from upifraud.commands.train import SHARE
from upifraud.means import measuring_means
from upifraud.options import FILE, FILES, SEVERAL, max_rejected, outcomes_map, refused, zone

if TYPE_CHECKING:
    from upifraud.trial.order import Order

EPILOG = """
\b
Examples:
  upifraud try payments.csv --write-map map.toml
      look at a file, propose a map, and write it
  upifraud try payments.csv --map map.toml --out trial
      train on the earlier part, judge on the later part; trial/report.html is the report
  upifraud try payments.csv --choose 'zone = "Asia/Kolkata"' --write-map map.toml
      answer what the values of the file cannot tell
  upifraud try payments.parquet --outcomes reports.csv --map map.toml --out trial
      what became of the payments is in a file of its own
"""


@click.command(epilog=EPILOG)
@click.argument("file", type=FILES)
@click.option("--map", "map_", type=FILE, help="Train and judge with this map; without it one is proposed.")
@click.option("--write-map", type=click.Path(dir_okay=False, path_type=Path), help="TOML file for the proposed map.")
@click.option("--choose", multiple=True, metavar="LINE", help="A line of the map, instead of what is proposed.")
@click.option("--outcomes", type=FILES, multiple=True, help=f"File of outcomes, if FILE does not hold them. {SEVERAL}")
@outcomes_map
@zone
@click.option(
    "--train-share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.7,
    show_default=True,
    help="Share of the payments that are trained on: the earliest.",
)
@click.option("--alert-budget", type=SHARE, help="Share of payments that can be looked at.  [default: 0.005]")
@click.option(
    "--base-rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of fraud in the stream that scores are for; figures are given for it, too.  [default: the file's]",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed and file, same model.")
@click.option(
    "--baselines/--no-baselines",
    default=True,
    show_default=True,
    help="Compare with a logistic regression and a random forest on the same vectors.",
)
@max_rejected("payments", "1%")
@max_rejected("outcomes", "0%")
@refused
@measuring_means
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Directory for the report and the model.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout instead of text.")
def command(
    file: Path,
    map_: Path | None,
    write_map: Path | None,
    choose: tuple[str, ...],
    as_json: bool,
    **asked: Any,
) -> None:
    """Try the model on a file of payments, without any server.

    Without --map: propose which column is which field, show what the first rows become, and count how many rows would
    be refused and why. With --map: train on the earlier part by event time, score the later part, and report how good
    that was, for what reasons, and what is to be said of the data.
    """
    if map_ is None:
        _propose(file, write_map, choose, asked["outcomes"], as_json=as_json)
        return
    if write_map is not None or choose:
        raise click.UsageError("--map: expected neither --write-map nor --choose beside it; edit the map instead.")
    from upifraud.history_files import HistoryFiles
    from upifraud.trial.order import Order

    files = {name: asked.pop(name) for name in HistoryFiles.__dataclass_fields__ if name in asked}
    history = HistoryFiles(payments=(file,), map_=map_, **files)
    _try(Order(files=history, map=map_, **asked), as_json=as_json)


def _propose(
    file: Path, write_map: Path | None, choose: tuple[str, ...], outcomes: tuple[Path, ...], *, as_json: bool
) -> None:
    from upifraud.progress import steps
    from upifraud.proposal.map_text import map_text
    from upifraud.trial.chosen import chosen_lines, write_text
    from upifraud.trial.proposing import proposed, proposed_outcomes
    from upifraud.trial.shown import as_json_values, lines_of, lines_of_outcomes

    chosen = chosen_lines(choose)
    with steps() as step:
        made = proposed(file, chosen, step, outcomes_elsewhere=bool(outcomes))
        told = [proposed_outcomes(one) for one in outcomes]
    if as_json:
        values = as_json_values(made) | {"outcomes_maps": [one.proposal.tables() for one in told]}
        click.echo(json.dumps(values, default=str))
    else:
        for line in chain(lines_of(made), *map(lines_of_outcomes, told)):
            click.echo(line)
    if write_map is None:
        return
    write_text(write_map, map_text(made.proposal, file.name))
    more = [f"--outcomes {one.path}" for one in told]
    for one in [one for one in told if one.needs_map][:1]:
        beside = write_map.with_name(f"{write_map.stem}.outcomes{write_map.suffix}")
        write_text(beside, map_text(one.proposal, one.path.name))
        more.append(f"--outcomes-map {beside}")
    if not as_json:
        is_open = any(proposal.questions for proposal in (made.proposal, *(one.proposal for one in told)))
        click.echo("\n".join(_next(file, write_map, more, is_open=is_open)))


def _next(file: Path, write_map: Path, more: list[str], *, is_open: bool) -> list[str]:
    """Say what to do with the map."""
    first = f"The map is in {write_map}."
    first += ' Write what is right where "?" stands, then:' if is_open else " Read it, then:"
    return ["", first, f"  upifraud try {' '.join([str(file), *more])} --map {write_map} --out trial"]


def _try(order: Order, *, as_json: bool) -> None:
    from model.errors import ModelError
    from upifraud.progress import steps
    from upifraud.trial.order import carry_out
    from upifraud.trial.told import lines_of

    with steps() as step:
        try:
            report = carry_out(order, step)
        except ModelError as error:
            raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(report.values, allow_nan=False))
        return
    for line in lines_of(report.values):
        click.echo(line)
    click.echo("")
    for line in report.account:
        click.echo(line)
    if order.out is not None:
        click.echo(
            f"The report is in {order.out / 'report.html'}, its figures in report.json, the model in "
            f"{order.out / 'model'}."
        )
