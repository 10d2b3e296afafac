"""`upifraud model`: the artifacts that are kept in the verdict store."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

EPILOG = """
\b
Examples:
  upifraud model keep artifacts/2026-11     one that no worker of this version has had
  upifraud model list
  upifraud model fetch 3f1c0a9be2d47715 --out artifacts/3f1c0a9be2d47715

\b
A worker keeps its artifact when it starts. What gave verdicts can then be explained and exported anywhere.
"""


@click.group(epilog=EPILOG)
def command() -> None:
    """Keep artifacts beside the verdicts that they gave, list them, or fetch one."""


@command.command(epilog=EPILOG)
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
def keep(directory: Path) -> None:
    """Put the artifact of DIRECTORY into the verdict store; one that is there stays as it is."""
    from model.artifact import load
    from stream.settings import read_settings
    from stream.verdict_store.artifacts import keep as put

    artifact = load(directory)
    stored = put(read_settings(os.environ).postgres_url, directory, artifact)
    click.echo(f"{artifact.model_id} {'is kept from now on' if stored else 'was kept before'}")


@command.command(name="list", epilog=EPILOG)
@click.option("--json", "as_json", is_flag=True, help="JSON Lines.")
def list_(*, as_json: bool) -> None:
    """Show which artifacts are kept, oldest first."""
    from stream.settings import read_settings
    from stream.verdict_store.artifacts import kept
    from stream.wire import utc_time

    for one in kept(read_settings(os.environ).postgres_url):
        stored_at = utc_time(one.stored_at)
        if as_json:
            click.echo(json.dumps({**one._asdict(), "stored_at": stored_at}))
        else:
            verdicts = "has verdicts" if one.has_verdicts else "no verdicts"
            click.echo(f"{one.model_id}  {stored_at}  {one.packed / 1e6:.1f} MB  {verdicts}")


@command.command(epilog=EPILOG)
@click.argument("model_id")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Directory to make.")
def fetch(model_id: str, out: Path) -> None:
    """Write the artifact of MODEL_ID to a new directory, once its files are checked."""
    from model.artifact import load
    from stream.settings import read_settings
    from stream.verdict_store.artifacts import fetch as found
    from stream.verdict_store.artifacts.archive import unpack

    archive = found(read_settings(os.environ).postgres_url, model_id)
    if archive is None:
        raise click.ClickException(
            f"Expected the id of a model that `upifraud model list` shows, got {model_id!r}: it is not kept."
        )
    if out.exists():
        raise click.ClickException(f"Expected a directory that is not there yet, got {out}.")
    partial = out.with_name(f"{out.name}.partial")
    partial.mkdir(parents=True)
    try:
        unpack(archive, partial)
        artifact = load(partial)
        if artifact.model_id != model_id:
            raise click.ClickException(f"Expected the artifact of model {model_id}, got that of {artifact.model_id}.")
        partial.rename(out)
    finally:
        _remove(partial)
    click.echo(f"{model_id} is in {out}")


def _remove(directory: Path) -> None:
    if directory.is_dir():
        for path in directory.iterdir():
            path.unlink()
        directory.rmdir()
