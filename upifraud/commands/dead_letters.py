"""`upifraud dead-letters`: what could not be processed, and how to send it again."""

from __future__ import annotations

import base64
import json
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from upifraud.commands.simulate import MOMENT
from upifraud.publishing import brokers, stopping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from confluent_kafka import Message

    from stream.settings import Settings
    from stream.wire import DeadLetterHeaders

EPILOG = """
\b
Examples:
  upifraud dead-letters list
  upifraud dead-letters list --json | jq -r '.value | @base64d'
  upifraud dead-letters replay --reason time-in-future --dry-run
  upifraud dead-letters replay --reason time-in-future --since 2025-11-24T00:00:00+05:30
"""
CONFIRM_SECONDS = 30.0
CONFIRM_EVERY = 1_000


class Letter(NamedTuple):
    """A dead letter as it was read: the record, the original's headers, and ours."""

    record: Message
    headers: list[tuple[str, bytes | None]]
    ours: DeadLetterHeaders


@click.group(epilog=EPILOG)
def command() -> None:
    """Show records that became dead letters, or send them again to where they came from."""


@command.command(name="list", epilog=EPILOG)
@click.option("--json", "as_json", is_flag=True, help="JSON Lines with key, value and headers; bytes as base64.")
def list_(*, as_json: bool) -> None:
    """Show every dead letter that is on the topics now, with its reason and its origin.

    Without --json neither key nor value is shown: they are other people's data.
    """
    settings, config = brokers()
    with _letters(settings, config) as letters:
        for letter in letters:
            click.echo(json.dumps(_described(letter), ensure_ascii=False) if as_json else _line(letter))


@command.command(epilog=EPILOG)
@click.option("--reason", "reasons", multiple=True, help="Only this reason; may be given several times.")
@click.option("--since", type=MOMENT, help="Only what became a dead letter at this time or later.")
@click.option("--dry-run", is_flag=True, help="Send nothing, say what would be sent.")
def replay(*, reasons: tuple[str, ...], since: int | None, dry_run: bool) -> None:
    """Send originals again to the topic they came from: the same key, value and headers, a new offset.

    What is well-formed by now gets its verdict; what is not becomes a dead letter again. Nothing is removed from the
    dead-letter topics, and a second replay does no harm: what was accepted before is then a duplicate. Originals that
    are there several times are sent once.
    """
    from stream.wire import RejectionReason

    if unknown := sorted(set(reasons) - set(RejectionReason)):
        raise click.UsageError(
            f"Expected --reason to be one of {', '.join(RejectionReason)}; got {', '.join(unknown)}."
        )
    settings, config = brokers()
    with _letters(settings, config) as letters:
        chosen = (letter for letter in letters if _is_asked_for(letter, reasons, since))
        sent = Counter(_send_once(chosen, config, dry_run=dry_run))
    for (topic, reason), count in sorted(sent.items()):
        click.echo(f"{'would send' if dry_run else 'sent'} {count} to {topic} ({reason})")
    if not sent:
        click.echo("nothing to send")


@contextmanager
def _letters(settings: Settings, config: Mapping[str, Any]) -> Iterator[Iterator[Letter]]:
    from stream.errors import StreamError
    from stream.kafka.topic_reader import TopicReader
    from stream.wire import dead_letter_topic

    topics = [dead_letter_topic(topic) for topic in (settings.topic_transactions, settings.topic_outcomes)]
    stop = threading.Event()
    try:
        with stopping(stop.set), TopicReader(config, topics) as reader:
            yield _read(reader.until_end(), stop)
    except StreamError as error:
        raise click.ClickException(str(error)) from error


def _read(records: Iterator[Message], stop: threading.Event) -> Iterator[Letter]:
    from stream.sinks.dead_letters import NotADeadLetterError, headers_of, read_headers
    from stream.wire import dead_letter_topic

    for record in records:
        if stop.is_set():
            raise click.Abort
        try:
            headers, ours = read_headers(headers_of(record) or [])
        except NotADeadLetterError as error:
            click.echo(f"{_at(record)}: {error} Left out.", err=True)
            continue
        if dead_letter_topic(ours.source_topic) == record.topic():
            yield Letter(record, headers, ours)
        else:
            click.echo(f"{_at(record)}: its origin is {ours.source_topic}, another topic. Left out.", err=True)


def _is_asked_for(letter: Letter, reasons: tuple[str, ...], since: int | None) -> bool:
    _kind, stamp = letter.record.timestamp()
    return (not reasons or letter.ours.reason in reasons) and (since is None or stamp >= since)


def _send_once(letters: Iterator[Letter], config: Mapping[str, Any], *, dry_run: bool) -> Iterator[tuple[str, str]]:
    """Send every original once, confirmed; yield topic and reason of each."""
    from stream.kafka.publisher import Publisher

    seen: set[int] = set()
    publisher = None if dry_run else Publisher(config)
    for letter in letters:
        record, topic = letter.record, letter.ours.source_topic
        if isinstance(letter.ours.value_omitted, str):
            click.echo(f"{_at(record)}: its value was too large and is only at its origin. Left out.", err=True)
            continue
        content = hash((topic, record.key(), record.value(), tuple(letter.headers)))
        if content in seen:
            continue
        seen.add(content)
        if publisher is not None:
            publisher.produce(topic, record.key(), record.value(), letter.headers)
            if len(seen) % CONFIRM_EVERY == 0:
                publisher.confirm(CONFIRM_SECONDS)
        yield topic, letter.ours.reason
    if publisher is not None:
        publisher.confirm(CONFIRM_SECONDS)
        publisher.close()


def _described(letter: Letter) -> dict[str, Any]:
    record, ours = letter.record, letter.ours
    described = {
        "topic": record.topic(),
        "partition": record.partition(),
        "offset": record.offset(),
        "timestamp": record.timestamp()[1],
        "reason": ours.reason,
        "detail": ours.detail,
        "source_topic": ours.source_topic,
        "source_partition": int(ours.source_partition),
        "source_offset": int(ours.source_offset),
        "key": _base64(record.key()),
        "value": _base64(record.value()),
        "headers": [[name, _base64(value)] for name, value in letter.headers],
    }
    if isinstance(ours.value_omitted, str):
        described["value_omitted"] = int(ours.value_omitted)
    return described


def _line(letter: Letter) -> str:
    from stream.wire import utc_time

    ours = letter.ours
    origin = f"{ours.source_topic}/{ours.source_partition}@{ours.source_offset}"
    return f"{utc_time(letter.record.timestamp()[1])}  {ours.reason:<21}  {origin:<28}  {ours.detail}"


def _base64(value: bytes | str | None) -> str | None:
    if value is None:
        return None
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


def _at(record: Message) -> str:
    return f"{record.topic()}, partition {record.partition()}, offset {record.offset()}"
