"""`upifraud export`: what was stored, as a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from upifraud.commands.simulate import MOMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.verdict_store import VerdictRecord

EPILOG = """
\b
Examples:
  upifraud export verdicts --out verdicts.parquet
  upifraud export verdicts --since 2026-01-01T00:00:00+05:30 --until 2026-02-01T00:00:00+05:30 --out january.parquet
  upifraud export verdicts --model-dir artifacts/ --out verdicts.parquet
      with artifacts that are not in the verdict store in folders of artifacts/
"""

ROW_GROUP = 16_384


@click.group()
def command() -> None:
    """Write what was stored to a file."""


@command.command(epilog=EPILOG)
@click.option("--since", type=MOMENT, help="First event time.")
@click.option("--until", type=MOMENT, help="Event time before which to stop.")
@click.option(
    "--model-dir",
    "model_dirs",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    help="An artifact that gave verdicts, or a folder of artifacts; the verdict store is looked at, too.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Parquet file to write.")
def verdicts(since: int | None, until: int | None, model_dirs: tuple[Path, ...], out: Path) -> None:
    """Write verdicts with their vectors and exact contributions, by event time, one row a payment.

    Contributions are computed anew from the stored vector by the artifact that gave the verdict; they add up to the
    stored margin, or the export fails. Feature names are in the file's metadata key `features`; where models of several
    sets of features gave the verdicts, each row's vector is its own model's, and the key is `feature_sets`: names by
    schema hash.
    """
    from model.artifact import DEFAULT_DIR
    from model.errors import ModelError
    from stream.errors import StreamError
    from stream.settings import read_settings
    from stream.verdict_store import scans
    from stream.verdict_store.artifacts import RetainedArtifacts
    from upifraud.progress import steps
    from upifraud.verdict_file import VerdictFile, of_records

    try:
        settings = read_settings(os.environ)
        current = () if settings.model_dir is None else (settings.model_dir,)
        artifacts = RetainedArtifacts((*model_dirs, *current, DEFAULT_DIR), settings.postgres_url)
        written = 0
        with steps() as step, VerdictFile(out) as file:
            done = step("verdicts", scans.count(settings.postgres_url, since, until))
            for records in _gathered(scans.verdicts(settings.postgres_url, since, until)):
                file.write(of_records(records, artifacts))
                written += len(records)
                done(written)
    except (StreamError, ModelError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{written} verdicts in {out}")


def _gathered(parts: Iterator[list[VerdictRecord]]) -> Iterator[list[VerdictRecord]]:
    gathered: list[VerdictRecord] = []
    for part in parts:
        gathered += part
        if len(gathered) >= ROW_GROUP:
            yield gathered
            gathered = []
    if gathered:
        yield gathered
