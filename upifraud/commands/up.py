"""`upifraud up`: the servers run, the topics and tables are there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from local.record import write_private
from local.resolver import Wanted
from stream.settings import read_settings
from upifraud.local_api.offer import HOW_TO_INSTALL, is_installed
from upifraud.local_api.server import ApiServer
from upifraud.local_api.start import start_api
from upifraud.local_stack import (
    ENV_FILE,
    PARTITIONS,
    api_directory,
    configured_in,
    console,
    environment,
    stack_of,
    state_dir_option,
    told_as_errors,
    topics_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local.kafka_admin import Conf
    from local.record import Record
    from stream.settings import Settings

EPILOG = """
\b
Examples:
  upifraud up                              the embedded broker, Redis and PostgreSQL, in .upifraud/
  upifraud up --kafka apache               Apache Kafka, by Docker or else by Java and Maven
  upifraud up --state-dir /tmp/two         a second stack beside the first
  env $(cat .upifraud/env) upifraud worker   a worker on the stack
  upifraud up --api                        the API too, on port 8000, with a key and a call to try

\b
A server whose address is in the environment is used instead of being started:
  UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS (only with --kafka auto), UPIFRAUD_REDIS_URL, UPIFRAUD_POSTGRES_URL
"""


@click.command(epilog=EPILOG)
@click.option(
    "--kafka",
    type=click.Choice([wanted.value for wanted in Wanted]),
    default=Wanted.AUTO.value,
    show_default=True,
    help="auto: the address in the settings if there is one, else embedded.",
)
@state_dir_option
@click.option(
    "--env-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the settings are written.  [default: env in the state directory]",
)
@click.option(
    "--partitions",
    type=click.IntRange(1, 10_000),
    default=PARTITIONS,
    show_default=True,
    help="Partitions of the topics that do not exist yet.",
)
@click.option(
    "--alert-partitions",
    type=click.IntRange(1, 10_000),
    help="Partitions of the topic of alerts. Where every verdict has one, fewer are cheaper: each is a request a "
    "micro-batch.  [default: as many as --partitions]",
)
@click.option(
    "--api",
    "with_api",
    is_flag=True,
    help="Start the API as well, on UPIFRAUD_API_PORT, or on a free port if another program has that one.",
)
def command(
    *,
    kafka: str,
    state_dir: Path,
    env_file: Path | None,
    partitions: int,
    alert_partitions: int | None,
    with_api: bool,
) -> None:
    """Start the servers that this machine lacks, make topics and tables, and print the settings that lead to them.

    What runs already is left alone. Progress goes to stderr, the settings as KEY=VALUE lines to stdout and to the env
    file. An API that runs goes on, with --api or without; `upifraud down` ends it with the servers.
    """
    screen = console()
    if with_api and not is_installed():
        raise click.ClickException(f"--api needs packages that are not installed. Install them: {HOW_TO_INSTALL}")
    with told_as_errors(), screen.status("starting servers"):
        settings = read_settings(environment())
        stack = stack_of(state_dir, screen.print)
        configured = configured_in(environment())

        def renewed(record: Record, made: Sequence[str]) -> None:
            for topic in _begin_anew(record, made, settings, configured.kafka_conf):
                screen.print(f"redis: stood in an earlier topic {topic}; it takes the one that was made for a new one")

        record = stack.up(
            Wanted(kafka), configured, topics_of(settings, partitions, alert_partitions), _migrate, renewed
        )
        variables = record.variables() | {"UPIFRAUD_CONSUMER_GROUP": settings.consumer_group}
        path = env_file or state_dir / ENV_FILE
        api = ApiServer(api_directory(state_dir), variables, environment(), settings.api_port)
        lines = _write_settings(path, variables, api)
        screen.print(f"settings: {path}")
        screen.print(f"next: env $(cat {path}) upifraud worker")
        if with_api:
            start_api(stack, api, settings.api_port, screen.print)
            lines = _write_settings(path, variables, api)
            screen.print(f"api: try: {api.call()}")
            screen.print("api: a worker must run for final verdicts; without one, the answer is 202 and provisional")
        elif api.is_on_others:
            screen.print("api: runs on other servers than the stack has now; upifraud up --api starts it on these")
        elif not api.running:
            screen.print("and over HTTP: upifraud up --api")
    click.echo(lines, nl=False)


def _write_settings(path: Path, variables: Mapping[str, str], api: ApiServer) -> str:
    """Write the settings that lead to the servers, and to the API where one runs, and return them as they stand."""
    known = {**variables, "UPIFRAUD_API_PORT": str(api.port)} if api.running else variables
    lines = "".join(f"{name}={value}\n" for name, value in known.items())
    write_private(path, lines)
    return lines


def _migrate(url: str) -> list[str]:
    from stream.verdict_store.migrations import migrate

    return migrate(url)


def _begin_anew(record: Record, made: Sequence[str], settings: Settings, conf: Conf) -> list[str]:
    """Let Redis take topics that were not there for new ones; return those of which it had held offsets.

    The embedded broker forgets its topics when it stops, and Redis does not.
    """
    from features.store.redis_store import RedisEntityStore
    from stream.kafka.arrivals import partition_name
    from stream.kafka.source_topics import SourceTopics

    store = RedisEntityStore(record.redis.address)
    topics = SourceTopics({**conf, "bootstrap.servers": record.kafka.address})
    begun = []
    for topic in (settings.topic_transactions, settings.topic_outcomes):
        if topic not in made:
            continue
        names = [partition_name(*one) for one in topics.partitions(topic)]
        if store.topic_id(topic.encode()) is not None or any(at is not None for at in store.next_offsets(names)):
            now = topics.ids([topic])[topic]
            store.begin_topic(topic.encode(), None if now is None else now.encode(), {})
            begun.append(topic)
    store.close()
    return begun
