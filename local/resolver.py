"""Chooses the Kafka broker, and says which and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from local.errors import MissingProgramError


class Wanted(StrEnum):
    """What `--kafka` asks for."""

    AUTO = "auto"
    EMBEDDED = "embedded"
    APACHE = "apache"


class Kind(StrEnum):
    """The broker that was chosen."""

    SETTINGS = "settings"
    EMBEDDED = "embedded"
    APACHE_DOCKER = "apache-docker"
    APACHE_JVM = "apache-jvm"

    @property
    def is_apache(self) -> bool:
        """Whether it is Apache Kafka itself, of our own making."""
        return self in (Kind.APACHE_DOCKER, Kind.APACHE_JVM)


class Offers(Protocol):
    """What a machine offers; each answers None, or why that way is closed."""

    def docker_problem(self) -> str | None:
        """Whether containers can be run."""

    def jvm_problem(self) -> str | None:
        """Whether Apache Kafka can be run as a plain JVM."""

    def embedded_problem(self) -> str | None:
        """Whether the embedded broker can be run."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A broker and the reason for it, as a reader can be told."""

    kind: Kind
    reason: str


def choose(wanted: Wanted, configured: str | None, offers: Offers) -> Choice:
    """Return the broker to use.

    `auto` takes the address in the settings if there is one, else the embedded broker. `embedded` and `apache` start
    a server whatever the settings say; `apache` takes Docker if an engine answers, else Java and Maven. Raises
    MissingProgramError if the machine does not have what that needs.
    """
    if wanted is Wanted.AUTO and configured:
        return Choice(Kind.SETTINGS, f"UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS names {configured}")
    if wanted is Wanted.APACHE:
        return _apache(offers)
    problem = offers.embedded_problem()
    if problem is not None:
        raise MissingProgramError(
            f"The embedded broker was to be started, but {problem}. Install it, use `--kafka apache`, or set "
            "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS to a Kafka of your own."
        )
    if wanted is Wanted.EMBEDDED:
        return Choice(Kind.EMBEDDED, "it was asked for")
    return Choice(Kind.EMBEDDED, "the settings name no other, and it needs neither Docker nor Java")


def _apache(offers: Offers) -> Choice:
    docker = offers.docker_problem()
    if docker is None:
        return Choice(Kind.APACHE_DOCKER, "Apache Kafka was asked for, and a Docker engine answers")
    jvm = offers.jvm_problem()
    if jvm is None:
        return Choice(Kind.APACHE_JVM, f"Apache Kafka was asked for; {docker}, but Java is here")
    raise MissingProgramError(
        f"Apache Kafka was to be started, by Docker or else by Java and Maven. Docker: {docker}. Java: {jvm}. Install "
        "one of them, or use `--kafka embedded`."
    )
