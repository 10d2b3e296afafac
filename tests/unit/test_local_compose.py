"""docker-compose.yml starts the servers of `upifraud up` with the same settings, and asks each if it is ready."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from local import maven, postgres, valkey
from local.kafka import APACHE_HEAP, APACHE_SETTINGS

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OBSERVABILITY = {"prometheus", "grafana"}
SERVERS = {"kafka", "redis", "postgres"}
# As apache/kafka reads it: listeners and directories are a container's own.
OF_THE_PLACE = {"listener.security.protocol.map"}


def resolved(text: str) -> str:
    """Return a value as it is without any variable set; a variable without a default would be empty and is refused."""
    assert not re.search(r"\$\{\w+\}|\$\w", text), f"{text} has a variable without a default"
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def kafka_environment() -> dict[str, str]:
    return {name: resolved(value) for name, value in SERVICES["kafka"]["environment"].items()}


def test_services_are_the_servers_and_observability() -> None:
    assert set(SERVICES) == SERVERS | OBSERVABILITY
    assert {name for name, service in SERVICES.items() if "profiles" in service} == OBSERVABILITY


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_asked_itself_and_reached_from_this_host_alone(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert service["healthcheck"]["start_period"]
    assert all(resolved(port).startswith("127.0.0.1:") for port in service["ports"])


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_has_a_version_that_can_be_overridden_in_one_place(name: str) -> None:
    image = SERVICES[name]["image"]
    assert image in COMPOSE["x-versions"].values()
    assert re.fullmatch(r"[\w./-]+:\$\{[A-Z]+_VERSION:-v?[\d.]+\}", image)


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_exists_and_what_is_stored_is_declared(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source = volume.split(":")[0]
        assert (ROOT / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_is_there_and_healthy(name: str) -> None:
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        assert needed in SERVICES
        assert how["condition"] == "service_healthy"


def test_kafka_is_the_version_and_has_the_settings_of_the_other_ways() -> None:
    assert resolved(SERVICES["kafka"]["image"]) == f"apache/kafka:{maven.kafka_version()}"
    environment = kafka_environment()
    expected = {name: value for name, value in APACHE_SETTINGS.items() if name not in OF_THE_PLACE}
    assert {name: environment[f"KAFKA_{name.upper().replace('.', '_')}"] for name in expected} == expected
    assert tuple(environment["KAFKA_HEAP_OPTS"].split()) == APACHE_HEAP


def test_kafka_tells_host_and_containers_addresses_they_can_reach() -> None:
    environment = kafka_environment()
    advertised = dict(listener.split("://") for listener in environment["KAFKA_ADVERTISED_LISTENERS"].split(","))
    assert advertised == {"HOST": "127.0.0.1:9092", "INTERNAL": "kafka:19092"}
    assert environment["KAFKA_INTER_BROKER_LISTENER_NAME"] == "INTERNAL"
    assert SERVICES["kafka"]["hostname"] == "kafka"
    assert SERVICES["kafka"]["healthcheck"]["test"][-1] == advertised["INTERNAL"]


def test_redis_has_the_settings_of_the_embedded_one() -> None:
    program, *rest = SERVICES["redis"]["command"]
    assert program == "valkey-server"
    assert dict(zip((name.removeprefix("--") for name in rest[::2]), rest[1::2], strict=True)) == valkey.SETTINGS


def test_postgres_has_the_settings_of_the_embedded_one() -> None:
    program, *rest = SERVICES["postgres"]["command"]
    assert program == "postgres"
    assert dict(part.removeprefix("-c").split("=") for part in rest) == postgres.SETTINGS
    assert SERVICES["postgres"]["environment"]["POSTGRES_DB"] == postgres.DATABASE


def test_env_file_leads_to_the_published_ports() -> None:
    lines = (ROOT / "deploy/compose/env").read_text().splitlines()
    environment = dict(line.split("=", 1) for line in lines)
    published = {name: resolved(SERVICES[name]["ports"][0]).rpartition(":")[0] for name in SERVERS}
    password = resolved(SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"])
    assert environment == {
        "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": published["kafka"],
        "UPIFRAUD_REDIS_URL": f"redis://{published['redis']}/0",
        "UPIFRAUD_POSTGRES_URL": f"postgresql://postgres:{password}@{published['postgres']}/{postgres.DATABASE}",
    }
