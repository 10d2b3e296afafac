"""`upifraud holds`: which payments are held, and how a hold ends."""

from __future__ import annotations

import getpass
import json
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from upifraud.commands.simulate import MOMENT
from upifraud.publishing import brokers, stopping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.holds import Outbox, PostgresHolds
    from stream.holds.listing import ListedHold
    from stream.settings import Settings

EPILOG = """
\b
Examples:
  upifraud holds list --open
  upifraud holds list --open --until 2025-11-24T22:00:00+05:30 --json
  upifraud holds release AXB2f6d1c0e4b7a4d0f8b1e5c7a9d3f2b6e --reason "Customer confirmed by phone."
  upifraud holds reject AXB2f6d1c0e4b7a4d0f8b1e5c7a9d3f2b6e --reason "Customer denies it." --by asha.rao
  upifraud holds expire --follow           until Ctrl-C; beside `upifraud api` it is not needed

\b
A hold ends once. What ended it first stands and goes to the topic `resolutions`; whoever comes later with something
else is told what stands, with exit code 1. The same person may repeat the same action at any time.
"""


@click.group(epilog=EPILOG)
def command() -> None:
    """Show payments with the verdict HOLD, release or reject them, and end those whose time has come."""


@command.command(name="list", epilog=EPILOG)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--open", "only_open", is_flag=True, help="Only those that nobody has ended.")
@click.option("--until", type=MOMENT, help="Only those that end by this time.")
def list_(*, as_json: bool, only_open: bool, until: int | None) -> None:
    """Show holds: the open ones first, soonest end first, then how the others ended, newest first."""
    from stream.holds.listing import holds
    from stream.settings import read_settings

    for hold in holds(read_settings(os.environ).postgres_url, only_open=only_open, until=until):
        click.echo(json.dumps(_as_json(hold), ensure_ascii=False) if as_json else _line(hold))


_id = click.argument("transaction_id")
_reason = click.option(
    "--reason", required=True, help="Why, in a sentence. It goes to the switch: name no payer in it."
)
_by = click.option("--by", metavar="NAME", help="Who decides.  [default: the user who runs this]")
_json = click.option("--json", "as_json", is_flag=True, help="The resolution as the topic has it.")


@command.command(epilog=EPILOG)
@_id
@_reason
@_by
@_json
def release(transaction_id: str, reason: str, by: str | None, *, as_json: bool) -> None:
    """Let a held payment go on. It says nothing of what the payment was: only an outcome does."""
    _end(transaction_id, "RELEASE", reason, by, as_json=as_json)


@command.command(epilog=EPILOG)
@_id
@_reason
@_by
@_json
def reject(transaction_id: str, reason: str, by: str | None, *, as_json: bool) -> None:
    """Decline a held payment. It says nothing of what the payment was: only an outcome does."""
    _end(transaction_id, "REJECT", reason, by, as_json=as_json)


@command.command(epilog=EPILOG)
@click.option("--follow", is_flag=True, help="Go on until told to stop, and wait for servers that do not answer.")
def expire(*, follow: bool) -> None:
    """End the holds whose time has come, and send every resolution that the broker has not confirmed.

    Of all processes that do so, `upifraud api` among them, one at a time gets on.
    """
    stop = threading.Event()
    with stopping(stop.set), _opened() as (_, outbox, settings):
        if follow:
            _tell_warnings()
            outbox.follow(stop, _now)
            return
        expired = published = 0
        while not stop.is_set():
            stepped = outbox.step(_now())
            expired, published = expired + stepped.expired, published + stepped.published
            if not stepped.is_ours:
                click.echo("Another process is at it.", err=True)
            if not stepped.is_more:
                break
    click.echo(f"ended {expired} holds with {settings.hold_expiry}, sent {published} resolutions")


def _end(transaction_id: str, action: str, reason: str, by: str | None, *, as_json: bool) -> None:
    from stream.holds import Action, decide
    from stream.holds.errors import StandingError

    name, why = _checked(by or _who(), reason)
    with _opened() as (store, outbox, settings):
        try:
            decided = decide(
                store,
                transaction_id,
                Action(action),
                by=name,
                reason=why,
                at=_now(),
                expiry=Action(settings.hold_expiry),
            )
        except StandingError as error:
            if as_json:
                click.echo(error.record)
            raise
        click.echo(decided.record if as_json else _told(decided.record, is_new=decided.is_new))
        _send(outbox)


def _send(outbox: Outbox) -> None:
    """Send what waits, now that we are here. It is on the disk, so whoever looks next sends it where we cannot."""
    from stream.errors import StreamError

    try:
        outbox.step(_now())
    except StreamError as error:
        click.echo(
            f"The resolution is stored and not sent yet: {error} `upifraud api` or `upifraud holds expire` sends it.",
            err=True,
        )


@contextmanager
def _opened() -> Iterator[tuple[PostgresHolds, Outbox, Settings]]:
    from stream.holds import Action, Outbox, PostgresHolds
    from stream.kafka.publisher import Publisher

    settings, config = brokers()
    store, publisher = PostgresHolds(settings.postgres_url), Publisher(config)
    try:
        yield store, Outbox(store, publisher, settings.topic_resolutions, expiry=Action(settings.hold_expiry)), settings
    finally:
        publisher.close(0.0)  # what matters was confirmed
        store.close()


def _checked(by: str, reason: str) -> tuple[str, str]:
    import msgspec

    from stream.wire import HoldReason, PersonName

    for option, text, kind in (("--by", by, PersonName), ("--reason", reason, HoldReason)):
        try:
            msgspec.convert(text, kind)
        except msgspec.ValidationError as error:
            raise click.UsageError(f"{option}: {error}.") from error
    return by, reason


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise click.UsageError("Expected --by NAME: the system has no name for the user who runs this.") from error


def _now() -> int:
    return time.time_ns() // 1_000_000


def _tell_warnings() -> None:
    import logging

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")


def _told(record: bytes, *, is_new: bool) -> str:
    from stream.wire import decode_resolution

    stands = decode_resolution(record)
    done = "released" if stands.action == "RELEASE" else "rejected"
    return f"{done} by {stands.by} at {stands.at}" if is_new else f"was {done} by {stands.by} at {stands.at}"


def _as_json(hold: ListedHold) -> dict[str, Any]:
    from stream.wire import utc_time

    return {
        "transaction_id": hold.transaction_id,
        "event_time": utc_time(hold.event_time),
        "decided_at": utc_time(hold.decided_at),
        "hold_until": None if hold.hold_until is None else utc_time(hold.hold_until),
        "amount_paise": hold.amount_paise,
        "score": hold.score,
        "resolution": None if hold.record is None else json.loads(hold.record),
    }


def _line(hold: ListedHold) -> str:
    from stream.wire import decode_resolution, utc_time

    rupees, paise = divmod(hold.amount_paise, 100)
    end = "no end" if hold.hold_until is None else utc_time(hold.hold_until)
    how = "open"
    if hold.record is not None:
        stands = decode_resolution(hold.record)
        how = f"{stands.action} at {stands.at} by {stands.by or 'its end'}"
    return f"{hold.transaction_id:<35}  until {end:<24}  Rs {rupees:>12,}.{paise:02d}  {hold.score:.4f}  {how}"
