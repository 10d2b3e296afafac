"""A backup as `deploy/backup/backup.sh` wrote it: its moment, and where the topics stood in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from pathlib import Path

ABOUT, OFFSETS = "about", "offsets.tsv"
TRANSACTIONS, OUTCOMES = "transactions", "outcomes"
"""What backup.sh calls the topics, whatever their names are."""


@dataclass(frozen=True, slots=True)
class Backup:
    """When the snapshot was taken (epoch ms), and by topic and partition the offset behind the last one in it."""

    taken_at: int
    following: dict[tuple[str, int], int]

    @classmethod
    def read(cls, directory: Path, topics: dict[str, str]) -> Self:
        """Read a backup's notes; `topics`: the names of the two topics by what backup.sh calls them."""
        try:
            about = dict(line.split("\t") for line in (directory / ABOUT).read_text().splitlines())
            taken_at = int(datetime.fromisoformat(about["taken_at"]).timestamp() * 1000)
            rows = [line.split("\t") for line in (directory / OFFSETS).read_text().splitlines()]
            following = {(topics[topic], int(partition)): int(offset) for topic, partition, offset in rows}
        except (OSError, ValueError, KeyError) as error:
            raise click.ClickException(
                f"{directory} is no backup: expected the files {ABOUT} and {OFFSETS} as backup.sh writes them, got "
                f"{type(error).__name__} ({error}). Name the directory upifraud-... itself."
            ) from error
        return cls(taken_at, following)
