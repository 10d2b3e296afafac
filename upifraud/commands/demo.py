"""`upifraud demo`: the main job on servers of its own, shown live."""

from __future__ import annotations

from pathlib import Path

import click

from local.resolver import Wanted
from upifraud.local_stack import environment

EPILOG = """
\b
Examples:
  upifraud demo                              half a minute of live traffic, after a warm-up
  upifraud demo --seconds 20 --rate 2000     shorter and denser
  upifraud demo --kafka apache               on Apache Kafka, by Docker or else by Java and Maven
  upifraud demo --seed 7                     other people, other frauds
  upifraud demo --keep                       leaves the servers running, to look around
  upifraud demo | tee demo.log               plain lines where there is no terminal

\b
Ctrl-C ends it at any moment: the switch stops, the worker drains, the servers go, the summary comes.
The demo runs on a Redis and a PostgreSQL of its own, whatever the settings name, and on a Kafka of its own unless
--kafka auto finds UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS; there it makes topics of its own and removes them.
UPIFRAUD_MODEL_DIR is heeded.
"""


@click.command(epilog=EPILOG)
@click.option(
    "--seconds", type=click.FloatRange(1, 86_400), default=30, show_default=True, help="Length of the live traffic."
)
@click.option(
    "--rate", type=click.FloatRange(1, 1_000_000), default=1_000, show_default=True, help="Records a second, open loop."
)
@click.option(
    "--kafka",
    type=click.Choice([wanted.value for wanted in Wanted]),
    default=Wanted.AUTO.value,
    show_default=True,
    help="auto: the address in the settings if there is one, else embedded.",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Who pays whom, and who cheats.")
@click.option(
    "--payers", type=click.IntRange(50, 10_000_000), default=2_000, show_default=True, help="Size of the population."
)
@click.option(
    "--warm-up",
    "warm_up_days",
    type=click.IntRange(0, 3_650),
    default=30,
    show_default=True,
    metavar="DAYS",
    help="Simulated days that are streamed first, as fast as the worker goes, so that windows are full.",
)
@click.option("--keep", is_flag=True, help="Leave the servers running at the end.")
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".upifraud", "demo"),
    show_default=True,
    help="Where the servers keep their data; demos in different directories do not meet.",
)
def command(
    seconds: float,
    rate: float,
    kafka: str,
    seed: int,
    payers: int,
    warm_up_days: int,
    keep: bool,
    state_dir: Path,
) -> None:
    """Start everything, send simulated payments with frauds among them, and show what the worker makes of them.

    Ends with a summary: precision and recall against the switch's truth, and whether every payment has its verdict.
    """
    from local.errors import LocalError
    from simulator.errors import SimulatorError
    from stream.errors import StreamError
    from upifraud.demo.errors import DemoError
    from upifraud.demo.plan import Plan
    from upifraud.demo.show import show

    try:
        plan = Plan(seconds=seconds, rate=rate, payers=payers, seed=seed, warm_up_days=warm_up_days)
        show(plan, Wanted(kafka), state_dir.absolute(), environment(), keep=keep)
    except (DemoError, LocalError, SimulatorError, StreamError) as error:
        raise click.ClickException(str(error)) from error
