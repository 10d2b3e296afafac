"""Files of messages to one file of payments, which is there whole or not at all.

Messages are read once. What they came to waits in a file beside the output until all responses are known; what is held
in memory is an id, a hash and a response for each payment, some 300 bytes.
"""

from __future__ import annotations

import os
import time
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click
import msgspec

from features.identity import Identities
from stream.decode import decode_payments
from stream.settings import read_settings
from stream.wire import RejectionReason
from upifraud.upi_xml.account import Account
from upifraud.upi_xml.element import Message, Passed, Refused
from upifraud.upi_xml.mapping import Response, answered, mapped
from upifraud.upi_xml.reader import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import IO

CHUNK: Final = 8_192
CONFLICT: Final = "Txn id: expected another, or the same time, amount and parties as in its first message"
MOST_KINDS: Final = 50
"""Kinds of other messages that are counted by name."""


class _Waiting(msgspec.Struct, array_like=True):
    """What one message came to, as it waits for the responses."""

    file: int
    line: int
    transaction_id: str
    is_response: bool
    payments: list[dict[str, Any]]
    refusals: list[tuple[str, str]]


class _Candidate(NamedTuple):
    path: Path
    line: int
    value: bytes
    is_response: bool
    has_response: bool


def files_of(paths: Sequence[Path]) -> list[Path]:
    """Return files as they are and, of a directory, every *.xml in it by name; raises ClickException without one."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(one for one in path.rglob("*.xml") if one.is_file()) if path.is_dir() else [path]
        if not inside:
            raise click.ClickException(f"{path}: expected files that end in .xml in this directory, got none.")
        found += inside
    return found


def convert(files: Sequence[Path], out: Path, limit: float, moved: Callable[[int], None]) -> Account:
    """Write the payments of the files to `out` as JSON Lines, in the order in which they were read.

    moved gets the bytes read so far. Raises ClickException where more than this share is refused; then `out` is as
    it was.
    """
    if any(out.exists() and out.samefile(file) for file in files):
        raise click.ClickException(f"{out}: expected a file to write that is not one of those to read.")
    return _Conversion(files, moved).run(out, limit)


class _Conversion:
    def __init__(self, files: Sequence[Path], moved: Callable[[int], None]) -> None:
        self._files = files
        self._moved = moved
        self._account = Account()
        self._requested: set[str] = set()
        self._responses: dict[str, Response] = {}
        self._fingerprints: dict[bytes, int] = {}

    def run(self, out: Path, limit: float) -> Account:
        waiting, partial = out.with_name(f"{out.name}.waiting"), out.with_name(f"{out.name}.partial")
        try:
            with waiting.open("wb") as file:
                self._read(file)
            with waiting.open("rb") as source, partial.open("wb") as target:
                self._write(source, target)
            self._account.check(limit)
            partial.replace(out)
        finally:
            waiting.unlink(missing_ok=True)
            partial.unlink(missing_ok=True)
        return self._account

    def _read(self, target: IO[bytes]) -> None:
        """Map every message, and keep what it came to."""
        encode, before = msgspec.json.encode, 0
        for number, path in enumerate(self._files):
            with path.open("rb") as stream:
                for seen, found in enumerate(read(stream)):
                    made = self._map(number, path, found)
                    if made is not None:
                        target.write(encode(made) + b"\n")
                    if seen % 256 == 0:
                        self._moved(before + stream.tell())
                before += stream.tell()
                self._moved(before)

    def _map(self, number: int, path: Path, found: Message | Passed | Refused) -> _Waiting | None:
        if isinstance(found, Refused):
            self._account.refuse(path, *found)
            return None
        if isinstance(found, Passed):
            self._pass(found.name if found.name.isalnum() else "another document")
            return None
        self._account.messages += 1
        made = mapped(found.root, self._account.unknown)
        if made.passed is not None:
            self._pass(made.passed)
            return None
        if made.response is None:
            self._requested.add(made.transaction_id)
        else:
            stands = self._responses.get(made.transaction_id)
            if stands is None or stands.is_leg or not made.response.is_leg:
                self._responses[made.transaction_id] = made.response
        return _Waiting(
            number, found.line, made.transaction_id, made.response is not None, made.payments, made.refusals
        )

    def _pass(self, kind: str) -> None:
        counted = self._account.passed
        counted[kind[:40] if kind[:40] in counted or len(counted) < MOST_KINDS else "others"] += 1

    def _write(self, source: IO[bytes], target: IO[bytes]) -> None:
        """Write what the stream would take; its own decoder says what that is."""
        settings = read_settings(os.environ)
        identities, now_ms = Identities(settings.identity_key), int(time.time() * 1000)
        candidates = self._candidates(source)
        while chunk := list(islice(candidates, CHUNK)):
            decoded = decode_payments(
                [one.value for one in chunk], now_ms, identities, earliest_ms=settings.earliest_time
            )
            for rejection in decoded.rejections:
                one = chunk[rejection.index]
                self._account.refuse(one.path, one.line, rejection.reason, rejection.detail)
            self._account.unknown.update(decoded.unusable_optional)
            accepted = zip(decoded.rows.tolist(), decoded.ids128, decoded.fingerprint.tolist(), strict=True)
            for row, identity, fingerprint in accepted:
                self._keep(chunk[row], identity.tobytes(), fingerprint, target)

    def _keep(self, one: _Candidate, identity: bytes, fingerprint: int, target: IO[bytes]) -> None:
        stands = self._fingerprints.get(identity)
        if stands is None:
            self._fingerprints[identity] = fingerprint
            target.write(one.value + b"\n")
            self._account.payments += 1
            self._account.answered += one.has_response
        elif stands == fingerprint:
            self._account.repeated += 1
        else:
            self._account.refuse(one.path, one.line, RejectionReason.CONFLICTING_DUPLICATE, CONFLICT)

    def _candidates(self, source: IO[bytes]) -> Iterator[_Candidate]:
        """Yield every payment with its response; a response is a payment only where its request is not there."""
        decode, encode = msgspec.json.Decoder(_Waiting).decode, msgspec.json.encode
        for line in source:
            waited = decode(line)
            if waited.is_response and waited.transaction_id in self._requested:
                continue
            path = self._files[waited.file]
            for reason, detail in waited.refusals:
                self._account.refuse(path, waited.line, reason, detail)
            response = self._responses.get(waited.transaction_id)
            for payment in waited.payments:
                value = encode(answered(payment, response) if response else payment)
                yield _Candidate(path, waited.line, value, waited.is_response, response is not None)
