"""Looks at the machine and the servers, and says of each thing whether it is as it should be and what to do if not."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from local import allocator, kafka_admin, postgres, valkey
from local.errors import LocalError
from local.machine import JAVA_NEEDED, free_memory, java_program, java_version, maven_program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from local.allocator import Allocator
    from local.kafka_admin import Conf
    from local.resolver import Offers

PYTHON_NEEDED = (3, 11)
MEMORY_NEEDED = 2 * 2**30
"""The embedded servers and a worker; Apache Kafka takes another 1.5 GiB."""
DISK_NEEDED = 2 * 2**30
LEAST_DAYS = 3
"""Of records: claims, and so what may be read again, go back as far."""
REBUILD_DAYS = 31
"""Of records: the longest window and a day."""
INFLATES = {"uncompressed": 1, "snappy": 22, "lz4": 255, "gzip": 1032}
"""What a byte of each codec becomes at most; a producer may choose gzip. Of Zstandard one batch is bounded otherwise:
the worker refuses to inflate it beyond 100 MB (receive.message.max.bytes).
"""
DEFAULT_BATCH_BYTES = 1_048_588
MOST_INFLATED = 512 * 2**20
"""Bytes. The worker may hold two inflated batches, of each topic, beside what it needs itself."""
_DAY_MS = 86_400_000
_SECONDS = 5


class Verdict(StrEnum):
    """How a thing was found."""

    OK = "ok"
    OPTIONAL = "optional"
    """It is not there, and not everybody needs it."""
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    verdict: Verdict
    found: str
    to_do: str = ""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the servers are; None if neither the settings nor a stack names one."""

    kafka: str | None
    redis: str | None
    postgres: str | None
    kafka_conf: Conf


def machine_findings(offers: Offers, packages: Sequence[str], directory: Path) -> Iterator[Finding]:
    """Look at Python, packages, Java, Maven, Docker, memory and the disk that holds a directory."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= PYTHON_NEEDED:
        yield Finding("Python", Verdict.OK, version)
    else:
        yield Finding("Python", Verdict.PROBLEM, version, "Use Python 3.11 or newer: `make install` makes a .venv.")
    yield _packages(packages)
    yield from _for_apache(offers)
    yield _amount("memory", free_memory(), MEMORY_NEEDED, "Close programs, or use a machine with more memory.")
    where = next((path for path in (directory, *directory.parents) if path.exists()), directory)
    free = shutil.disk_usage(where).free
    yield _amount("disk", free, DISK_NEEDED, f"Make room under {where}, or name another place with --state-dir.")


def server_findings(
    addresses: Addresses, topics: Mapping[str, int], tables: Sequence[str], sources: Sequence[str] = ()
) -> Iterator[Finding]:
    """Ask every server, then whether it holds the topics and tables that are expected.

    `sources` are the topics from which a lost store is made again.
    """
    yield from _kafka(addresses, topics, sources)
    yield from _redis(addresses.redis)
    yield from _postgres(addresses.postgres, tables)


def required_packages(distribution: str) -> list[str]:
    """Return the names of the packages that a distribution and its extra `local` need; empty if it is not installed.

    What only some machines need is left out: it makes something better, and is looked at there.
    """
    try:
        lines = importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    wanted = [line for line in lines if "extra ==" not in line or re.search(r"extra == ['\"]local['\"]", line)]
    everywhere = [line for line in wanted if "platform_machine" not in line]
    return [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in everywhere]


def _packages(names: Sequence[str]) -> Finding:
    missing = []
    for name in names:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing or not names:
        found = f"missing: {', '.join(missing)}" if missing else "upi-fraud-stream itself is not installed"
        return Finding("packages", Verdict.PROBLEM, found, "Run `make install`, and use the Python in .venv.")
    return Finding("packages", Verdict.OK, f"all {len(names)} are installed")


def _for_apache(offers: Offers) -> Iterator[Finding]:
    """Look at what only `--kafka apache` needs: Docker, or else Java and Maven."""
    to_do = "Needed only for `upifraud up --kafka apache` without Docker."
    version = java_version()
    if version is not None and version >= JAVA_NEEDED:
        yield Finding("Java", Verdict.OK, f"{version} ({java_program()})")
    else:
        yield Finding("Java", Verdict.OPTIONAL, "none" if version is None else f"{version}", f"{to_do} Install 17.")
    maven = maven_program()
    if maven is not None:
        yield Finding("Maven", Verdict.OK, maven)
    else:
        yield Finding("Maven", Verdict.OPTIONAL, "none", to_do)
    docker = offers.docker_problem()
    if docker is None:
        yield Finding("Docker", Verdict.OK, "an engine answers")
    else:
        yield Finding(
            "Docker", Verdict.OPTIONAL, docker, "Needed only for `docker compose` and Apache Kafka by Docker."
        )


def _amount(subject: str, free: int | None, needed: int, to_do: str) -> Finding:
    if free is None:
        return Finding(subject, Verdict.OPTIONAL, "this system does not tell how much is free")
    found = f"{free / 2**30:.1f} GiB free"
    if free < needed:
        return Finding(subject, Verdict.PROBLEM, found, f"Expected at least {needed / 2**30:.0f} GiB. {to_do}")
    return Finding(subject, Verdict.OK, found)


def _nowhere(subject: str, variable: str) -> Finding:
    to_do = f"Start one with `upifraud up`, or set {variable}."
    return Finding(subject, Verdict.PROBLEM, "no address: there is no stack here and no setting", to_do)


def _kafka(addresses: Addresses, topics: Mapping[str, int], sources: Sequence[str]) -> Iterator[Finding]:
    address, conf = addresses.kafka, addresses.kafka_conf
    if address is None:
        yield _nowhere("Kafka", "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS")
        return
    if (problem := kafka_admin.ask(address, conf=conf, seconds=_SECONDS)) is not None:
        yield _silent("Kafka", address, problem)
        return
    yield Finding("Kafka", Verdict.OK, f"{address} answers")
    try:
        there = kafka_admin.partitions(address, conf=conf)
    except LocalError as error:
        yield Finding("topics", Verdict.PROBLEM, str(error), "Run `upifraud doctor` again.")
        return
    for name, expected in topics.items():
        yield _topic(name, there.get(name), expected)
    settings = kafka_admin.topic_settings(address, topics.keys() & there.keys(), conf=conf)
    yield from _kept(settings, sources)
    yield from (_inflation(name, settings[name]) for name in sources if name in settings)


def _topic(name: str, count: int | None, expected: int) -> Finding:
    subject = f"topic {name}"
    if count is None:
        return Finding(subject, Verdict.PROBLEM, "is not there", "`upifraud up` makes it.")
    if count < expected:
        to_do = f"At most {count} workers share it; {expected} is usual. Changing it moves keys to other partitions."
        return Finding(subject, Verdict.OPTIONAL, f"partitions: {count}", to_do)
    return Finding(subject, Verdict.OK, f"partitions: {count}")


def _kept(settings: Mapping[str, Mapping[str, str]], sources: Sequence[str]) -> Iterator[Finding]:
    """Look at what the broker removes from topics by itself; what it does not tell is not judged."""
    for name, its in settings.items():
        if "compact" in its.get("cleanup.policy", ""):
            to_do = "Set cleanup.policy=delete: compaction takes away all but the last record of each key."
            yield Finding(f"topic {name}: cleanup", Verdict.PROBLEM, f"cleanup.policy={its['cleanup.policy']}", to_do)
        if name in sources:
            yield from _retention(name, its)


def _retention(name: str, its: Mapping[str, str]) -> Iterator[Finding]:
    subject = f"topic {name}: retention"
    if (size := int(its.get("retention.bytes", -1))) >= 0:
        to_do = f"Set retention.bytes=-1, or make sure that it is more than {REBUILD_DAYS} days bring."
        yield Finding(subject, Verdict.OPTIONAL, f"retention.bytes={size}", to_do)
    milliseconds = int(its.get("retention.ms", -1))
    days = milliseconds / _DAY_MS
    if milliseconds < 0 or days >= REBUILD_DAYS:
        return
    found = f"{days:.3g} days"
    if days < LEAST_DAYS:
        to_do = f"Keep at least {LEAST_DAYS} days: a store that is lost is made again from these records."
        yield Finding(subject, Verdict.PROBLEM, found, to_do)
    else:
        to_do = f"{REBUILD_DAYS} days are needed to make all windows again should Redis and PostgreSQL both be lost."
        yield Finding(subject, Verdict.OPTIONAL, found, to_do)


def _inflation(name: str, its: Mapping[str, str]) -> Finding:
    """Look at how far one batch of a topic that the worker reads can inflate: it is held whole in memory."""
    subject = f"topic {name}: batches"
    limit, codec = int(its.get("max.message.bytes", DEFAULT_BATCH_BYTES)), its.get("compression.type", "producer")
    inflated = limit * INFLATES.get(codec, INFLATES["gzip"])
    found = f"one may inflate to {inflated / 2**20:.0f} MiB (max.message.bytes={limit}, compression.type={codec})"
    if inflated <= MOST_INFLATED:
        return Finding(subject, Verdict.OK, found)
    to_do = (
        f"Set compression.type=lz4 and a max.message.bytes of at most {MOST_INFLATED // INFLATES['lz4']}: the broker "
        "then measures every batch anew. Or give each worker three times as much memory."
    )
    return Finding(subject, Verdict.OPTIONAL, found, to_do)


def _redis(url: str | None) -> Iterator[Finding]:
    if url is None:
        yield _nowhere("Redis", "UPIFRAUD_REDIS_URL")
        return
    if (problem := valkey.ask(url, seconds=_SECONDS)) is not None:
        yield _silent("Redis", _bare(url), problem)
        return
    yield Finding("Redis", Verdict.OK, f"{_bare(url)} answers")
    policy, appends = (valkey.setting(url, name) for name in ("maxmemory-policy", "appendonly"))
    if policy == "noeviction":
        yield Finding("Redis eviction", Verdict.OK, policy)
    elif policy is None:
        yield Finding("Redis eviction", Verdict.OPTIONAL, "may not be read", "Make sure that it is noeviction.")
    else:
        to_do = "Set maxmemory-policy noeviction: eviction would take velocity away without a word."
        yield Finding("Redis eviction", Verdict.PROBLEM, policy, to_do)
    if appends == "no":
        to_do = "Set appendonly yes, or the windows of 30 days are gone with the next restart."
        yield Finding("Redis persistence", Verdict.PROBLEM, "appendonly no", to_do)
    yield _memory(valkey.memory_of(url, seconds=_SECONDS))


def _memory(found: Allocator | None) -> Finding:
    """Say what Redis takes its memory from: the C library's allocator is right, and slow."""
    subject = "Redis allocator"
    if found is None:
        to_do = "Make sure that INFO memory does not say mem_allocator:libc."
        return Finding(subject, Verdict.OPTIONAL, "may not be read", to_do)
    if found.is_slow:
        return Finding(subject, Verdict.OPTIONAL, f"{found.linked}, and no library is preloaded", allocator.TO_DO)
    library = f", and {found.preloaded} is preloaded" if found.preloaded else ""
    return Finding(subject, Verdict.OK, f"{found.linked}{library}")


def _postgres(url: str | None, tables: Sequence[str]) -> Iterator[Finding]:
    if url is None:
        yield _nowhere("PostgreSQL", "UPIFRAUD_POSTGRES_URL")
        return
    if (problem := postgres.ask(url, seconds=_SECONDS)) is not None:
        yield _silent("PostgreSQL", _bare(url), problem)
        return
    yield Finding("PostgreSQL", Verdict.OK, f"{_bare(url)} answers")
    missing = sorted(set(tables) - set(postgres.tables(url)))
    if missing:
        yield Finding("tables", Verdict.PROBLEM, f"missing: {', '.join(missing)}", "`upifraud up` makes them.")
    else:
        yield Finding("tables", Verdict.OK, ", ".join(tables))


def _silent(subject: str, address: str, problem: str) -> Finding:
    to_do = "Start it (`upifraud up` starts a local one), or correct its address in the settings."
    return Finding(subject, Verdict.PROBLEM, f"{address} does not answer: {problem}", to_do)


def _bare(url: str) -> str:
    """Return where a URL leads to, without who asks and without options, one of which may be a password."""
    return url.partition("://")[2].rpartition("@")[2].partition("?")[0]
