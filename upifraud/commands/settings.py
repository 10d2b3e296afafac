"""`upifraud settings`: every setting with its default, its value here, and a sentence."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from stream.errors import SettingsError
from stream.settings import describe, read_settings

if TYPE_CHECKING:
    from stream.settings import Described

EPILOG = """
\b
Examples:
  upifraud settings
  env $(cat .upifraud/env) upifraud settings
  UPIFRAUD_LOG_LEVEL=debug upifraud settings --changed
  upifraud settings --json | jq -r '.[] | "\\(.variable)=\\(.default)"'
"""


@click.command(epilog=EPILOG)
@click.option("--changed", is_flag=True, help="Only those that differ from their default.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def command(*, changed: bool, as_json: bool) -> None:
    """List every setting: the environment variable, its value here, its default and what it is for.

    Secrets are masked. A secret can also come from a mounted file, whose path goes into the variable with _FILE behind
    it. Options of librdkafka without a variable of their own go into UPIFRAUD_KAFKA_CONF_<NAME>, its name in capitals
    with underscores for dots.
    """
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    for warning in settings.warnings:
        click.echo(f"Warning: {warning}", err=True)
    listed = [one for one in describe(settings) if not (changed and one.is_default)]
    if as_json:
        click.echo(json.dumps([asdict(one) for one in listed], indent=2))
        return
    for one in listed:
        _print(one)


def _print(one: Described) -> None:
    value = one.value or "(unset)"
    shown = f"{value} (default)" if one.is_default else f"{value} (default: {one.default or 'unset'})"
    click.echo(f"{click.style(one.variable, bold=True)} = {shown}")
    click.echo(f"    {one.about} Expects {one.expected}.")
