"""`upifraud keys`: who may call the API, and what for."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import click

from upifraud.commands.train import DURATION

if TYPE_CHECKING:
    from stream.verdict_store.door.keys import KeyRow

EPILOG = """
\b
Examples:
  upifraud keys create --name switch --scopes payments:write,verdicts:read
  upifraud keys create --name console --scopes verdicts:read,entities:read --expires 90d --json | jq -r .key
  upifraud keys list
  upifraud keys revoke k1f0c2a9b7d3e

\b
Scopes: payments:write, score:what-if, verdicts:read, entities:read, outcomes:write, holds:decide.
"""


@click.group(epilog=EPILOG)
def command() -> None:
    """Make keys of the API, list them, or revoke one."""


@command.command(epilog=EPILOG)
@click.option("--name", required=True, help="Who will have the key.")
@click.option("--scopes", required=True, help="What it allows: scopes with commas between them.")
@click.option("--expires", type=DURATION, metavar="90d|12h", help="When it ends.  [default: once it is revoked]")
@click.option("--rate", type=click.IntRange(1, 1_000_000), help="Requests a second.  [default: UPIFRAUD_API_RATE]")
@click.option("--subject", help="Of a client's certificate, for which the key counts without being sent.")
@click.option("--json", "as_json", is_flag=True, help='{"key_id", "key"} on stdout.')
def create(
    *, name: str, scopes: str, expires: int | None, rate: int | None, subject: str | None, as_json: bool
) -> None:
    """Make a key and show it, once: only its hash is kept."""
    from stream.settings import read_settings
    from stream.verdict_store.door import keys

    wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
    made = keys.create(
        read_settings(os.environ).postgres_url,
        name,
        wanted,
        expires_at=None if expires is None else round(time.time() * 1000) + expires,
        rate=rate,
        subject=subject,
    )
    if as_json:
        click.echo(json.dumps(made._asdict()))
        return
    click.echo(made.key)
    click.echo(f"Key {made.key_id} of {name}: {', '.join(wanted)}. It is shown this once, so keep it now.", err=True)


@command.command(name="list", epilog=EPILOG)
@click.option("--json", "as_json", is_flag=True, help="JSON Lines.")
def list_(*, as_json: bool) -> None:
    """Show all keys but what opens with them, oldest first."""
    from stream.settings import read_settings
    from stream.verdict_store.door import keys

    now = round(time.time() * 1000)
    for row in keys.listed(read_settings(os.environ).postgres_url):
        shown = _shown(row, now)
        if as_json:
            click.echo(json.dumps(shown, ensure_ascii=False))
            continue
        used = shown["last_used_at"] or "never used"
        click.echo(f"{row.key_id}  {shown['state']:<8} {row.name}  {','.join(row.scopes)}  {used}")


@command.command(epilog=EPILOG)
@click.argument("key_id")
def revoke(key_id: str) -> None:
    """Revoke the key KEY_ID for good; within a second it opens nothing."""
    from stream.settings import read_settings
    from stream.verdict_store.door import keys

    is_new = keys.revoke(read_settings(os.environ).postgres_url, key_id)
    click.echo(f"{key_id} {'is revoked' if is_new else 'was revoked before'}")


def _shown(row: KeyRow, now: int) -> dict[str, Any]:
    from stream.wire import utc_time

    times = {
        name: None if (at := getattr(row, name)) is None else utc_time(at)
        for name in ("created_at", "expires_at", "last_used_at", "revoked_at")
    }
    is_over = row.expires_at is not None and row.expires_at <= now
    state = "revoked" if row.revoked_at is not None else "expired" if is_over else "open"
    return {**row._asdict(), "scopes": list(row.scopes), **times, "state": state}
