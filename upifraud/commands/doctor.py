"""`upifraud doctor`: what is wrong here, and what to do about it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from local.doctor import Addresses, Finding, Verdict, machine_findings, required_packages, server_findings
from local.machine import Machine
from local.resolver import Kind
from stream.errors import SettingsError
from stream.settings import read_settings
from upifraud.local_stack import configured_in, environment, stack_of, state_dir_option, told_as_errors, topics_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from features.compiled import Directories
    from local.stack import ServerState, Stack

DISTRIBUTION = "upi-fraud-stream"
TABLES = ("verdicts", "outcomes")
TEMPORARY = "upifraud-kernels-"

EPILOG = """
\b
Examples:
  upifraud doctor
  env $(cat .upifraud/env) upifraud doctor
  upifraud doctor --json | jq '.[] | select(.verdict == "problem")'
"""


@click.command(epilog=EPILOG)
@state_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def command(state_dir: Path, as_json: bool) -> None:
    """Look at Python, packages, Java, Maven, Docker, memory, compiled kernels, settings, servers, topics and tables.

    Servers are those that the settings name, else those of the stack. The API is the one that `upifraud up` started.
    Exits with 1 if there is a problem.
    """
    with told_as_errors():
        findings = list(_findings(state_dir, environment()))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        _print(findings)
    problems = sum(finding.verdict is Verdict.PROBLEM for finding in findings)
    if problems:
        raise click.ClickException(f"{problems} problem{'s' if problems > 1 else ''}; what to do is said beside each.")


def _findings(state_dir: Path, environ: Mapping[str, str]) -> Iterator[Finding]:
    yield from machine_findings(Machine(), required_packages(DISTRIBUTION), state_dir.absolute())
    yield _kernels(environ.get("NUMBA_CACHE_DIR"))
    try:
        settings = read_settings(environ)
    except SettingsError as error:
        yield Finding("settings", Verdict.PROBLEM, str(error), "Correct it; `upifraud settings` lists all of them.")
        return
    yield Finding("settings", Verdict.OK, "all can be used")
    for warning in settings.warnings:
        yield Finding("settings", Verdict.OPTIONAL, warning)
    sources = (settings.topic_transactions, settings.topic_outcomes)
    stack = stack_of(state_dir)
    yield from server_findings(_addresses(stack, environ), topics_of(settings), TABLES, sources)
    yield from map(program_finding, stack.program_states())


def program_finding(state: ServerState) -> Finding:
    """Say whether a program that `up` started on the stack answers."""
    if state.problem is None:
        return Finding("API", Verdict.OK, f"{state.address} answers")
    to_do = "Start it with `upifraud up --api`; its log is server.log in the directory api of the stack's own."
    return Finding("API", Verdict.PROBLEM, f"{state.condition}: {state.problem}", to_do)


def _kernels(given: str | None) -> Finding:
    from features.compiled import where  # brings numba, which takes half a second

    return kernel_finding(where(), given)


def kernel_finding(kept: Directories, given: str | None) -> Finding:
    """Say where compiled kernels are kept; `given` is what NUMBA_CACHE_DIR names."""
    to_do = "Set NUMBA_CACHE_DIR to a directory that this user alone can write to, and that stays."
    if kept.write is None:
        if not kept.read:
            found = "there is no directory that can be written to, so every start compiles them for half a minute"
            return Finding("kernels", Verdict.PROBLEM, found, to_do)
        found = f"read from {kept.read[0].parent}; one that is missing there is compiled at every start"
        return Finding("kernels", Verdict.OPTIONAL, found, to_do)
    directory = kept.write.parent
    if given and directory != Path(given):
        found = f"NUMBA_CACHE_DIR names {given}, where nothing can be written; they are kept in {directory}"
        return Finding("kernels", Verdict.PROBLEM, found, to_do)
    if directory.name.startswith(TEMPORARY):
        found = f"new ones are kept in {directory}, which may be emptied when the machine starts"
        return Finding("kernels", Verdict.OPTIONAL, found, to_do)
    return Finding("kernels", Verdict.OK, f"kept in {directory}")


def _addresses(stack: Stack, environ: Mapping[str, str]) -> Addresses:
    configured, record = configured_in(environ), stack.record()
    if record is None:
        return Addresses(configured.kafka, configured.redis, configured.postgres, configured.kafka_conf)
    # A Kafka of somebody else's is spoken to as the settings say, also where only the stack remembers its address.
    foreign = configured.kafka is not None or record.kafka.kind is Kind.SETTINGS
    return Addresses(
        kafka=configured.kafka or record.kafka.address,
        redis=configured.redis or record.redis.address,
        postgres=configured.postgres or record.postgres.address,
        kafka_conf=configured.kafka_conf if foreign else {},
    )


def _print(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    screen = Console(highlight=False)
    if not screen.is_terminal:
        for finding in findings:
            to_do = f" -> {finding.to_do}" if finding.to_do else ""
            click.echo(f"{finding.verdict:<8} {finding.subject}: {finding.found}{to_do}")
        return
    colours = {Verdict.OK: "green", Verdict.OPTIONAL: "yellow", Verdict.PROBLEM: "red"}
    table = Table("", box=None, padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("found", overflow="fold")
    table.add_column("what to do")
    for finding in findings:
        mood = Text(finding.verdict, style=colours[finding.verdict])
        # As Text: what a server answers may hold brackets, which are markup to rich.
        table.add_row(mood, finding.subject, Text(finding.found), Text(finding.to_do))
    screen.print(table)
