"""Which broker is chosen, and the reason that is told."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from local.errors import MissingProgramError
from local.resolver import Kind, Wanted, choose


@dataclass(frozen=True)
class Offers:
    """A machine: a reason for each way that is closed."""

    docker: str | None = "no engine"
    jvm: str | None = "no Java"
    embedded: str | None = None

    def docker_problem(self) -> str | None:
        return self.docker

    def jvm_problem(self) -> str | None:
        return self.jvm

    def embedded_problem(self) -> str | None:
        return self.embedded


EVERYTHING = Offers(docker=None, jvm=None)


@pytest.mark.parametrize(
    ("wanted", "address", "offers", "kind"),
    [
        (Wanted.AUTO, "kafka:9092", EVERYTHING, Kind.SETTINGS),
        (Wanted.AUTO, "", EVERYTHING, Kind.EMBEDDED),
        (Wanted.AUTO, None, EVERYTHING, Kind.EMBEDDED),
        (Wanted.EMBEDDED, "kafka:9092", EVERYTHING, Kind.EMBEDDED),
        (Wanted.APACHE, "kafka:9092", EVERYTHING, Kind.APACHE_DOCKER),
        (Wanted.APACHE, None, Offers(jvm=None), Kind.APACHE_JVM),
        (Wanted.APACHE, None, Offers(docker=None), Kind.APACHE_DOCKER),
        # An address needs nothing of this machine.
        (Wanted.AUTO, "kafka:9092", Offers(embedded="not installed"), Kind.SETTINGS),
    ],
)
def test_choice(wanted: Wanted, address: str | None, offers: Offers, kind: Kind) -> None:
    assert choose(wanted, address, offers).kind is kind


def test_reason_names_the_address_that_settled_it() -> None:
    assert "kafka:9092" in choose(Wanted.AUTO, "kafka:9092", EVERYTHING).reason


def test_reason_for_a_jvm_says_why_not_docker() -> None:
    assert "no engine" in choose(Wanted.APACHE, None, Offers(jvm=None)).reason


def test_apache_without_any_way_says_what_both_lack() -> None:
    with pytest.raises(MissingProgramError, match=r"Docker: no engine\. Java: no Java\..*--kafka embedded"):
        choose(Wanted.APACHE, None, Offers())


@pytest.mark.parametrize("wanted", [Wanted.AUTO, Wanted.EMBEDDED])
def test_embedded_without_its_package_says_what_to_do(wanted: Wanted) -> None:
    with pytest.raises(MissingProgramError, match=r"not installed.*--kafka apache"):
        choose(wanted, None, Offers(embedded="the package is not installed"))
