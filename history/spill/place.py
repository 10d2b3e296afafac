"""Where the files of a spilled history are, and how many buckets there are of each sort."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path


PIECE: Final = 65_536


@dataclass(frozen=True, slots=True)
class Buckets:
    """How many buckets there are."""

    ids: int
    """Of transaction ids."""
    parties: int
    """Of parties, whether they pay or are paid: a party's two logs are in one bucket."""
    devices: int


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one history; only what is made of whole files is ever read."""

    directory: Path
    buckets: Buckets
    piece: int = PIECE
    """Rows of a history that are decoded at once; row r is of piece r // piece. Refused rows leave gaps."""

    def journal(self, piece: int) -> Path:
        """Return the file of a piece's payments in file order."""
        return self.directory / f"journal-{piece:06}.arrow"

    def ids(self, piece: int) -> Path:
        """Return the file of a piece's ids, a batch a bucket of ids."""
        return self.directory / f"ids-{piece:06}.arrow"

    def entities(self, kind: str, piece: int) -> Path:
        """Return the file of a piece's payments, a batch a bucket of `parties` or of `devices`."""
        return self.directory / f"{kind}-{piece:06}.arrow"

    def outcomes(self, piece: int) -> Path:
        """Return the file of a piece of the outcomes, a batch a bucket of ids."""
        return self.directory / f"outcomes-{piece:06}.arrow"

    def matched(self, bucket: int) -> Path:
        """Return the file of a bucket of ids: its outcomes, each with its payment."""
        return self.directory / f"matched-{bucket:04}.arrow"

    def dropped(self, bucket: int) -> Path:
        """Return the file of the rows in a bucket of ids that are not the first of their id."""
        return self.directory / f"dropped-{bucket:04}.npy"

    def clock(self, piece: int) -> Path:
        """Return the file of the rows of a piece that stand, and the clock after each."""
        return self.directory / f"clock-{piece:06}.npy"

    def reports(self, kind: str, bucket: int) -> Path:
        """Return the file of a bucket of ids: its reports, a batch a bucket of `parties` or of `devices`."""
        return self.directory / f"reports-{kind}-{bucket:04}.arrow"

    def measured(self, owner: str, bucket: int) -> Path:
        """Return the file of what was measured of `payer`, `payee` or `device` in a bucket, a batch a piece."""
        return self.directory / f"measured-{owner}-{bucket:04}.arrow"

    def count(self, kind: str) -> int:
        """Return how many buckets there are of `parties` or of `devices`."""
        return self.buckets.parties if kind == "parties" else self.buckets.devices
