"""docker-compose.yml starts the servers of `upifraud up` with the same settings, and asks each if it is ready."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from local import maven, postgres, valkey
from local.kafka import APACHE_HEAP, APACHE_SETTINGS
from tests.fixtures.tools import tool

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OBSERVABILITY = {"prometheus", "grafana"}
SERVERS = {"kafka", "redis", "postgres"}
PROGRAM = {"setup", "worker", "api", "load"}
ENDS = {"setup", "load"}
"""Services that come to an end or serve nothing, so that there is nothing to ask."""
# As apache/kafka reads it: listeners and directories are a container's own.
OF_THE_PLACE = {"listener.security.protocol.map"}


def resolved(text: str) -> str:
    """Return a value as it is without any variable set; a variable without a default would be empty and is refused."""
    assert not re.search(r"\$\{\w+\}|\$\w", text), f"{text} has a variable without a default"
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def kafka_environment() -> dict[str, str]:
    return {name: resolved(value) for name, value in SERVICES["kafka"]["environment"].items()}


def test_services_are_the_servers_and_observability() -> None:
    assert set(SERVICES) == SERVERS | PROGRAM | OBSERVABILITY
    profiles = {name: set(service.get("profiles", [])) for name, service in SERVICES.items()}
    assert profiles == {
        **{name: set() for name in SERVERS},
        **{name: {"observability"} for name in OBSERVABILITY},
        "setup": {"worker", "load"},
        "worker": {"worker", "load"},
        "api": {"worker", "load"},
        "load": {"load"},
    }


@pytest.mark.parametrize("profiles", ["", "worker", "load", "observability", "worker,load,observability"])
def test_compose_itself_understands_it(profiles: str) -> None:
    """By the library that `docker compose` reads it with: names, types, and that what is waited for takes part."""
    done = subprocess.run(
        [tool("compose-config"), "-format", "json", ROOT / "docker-compose.yml"],
        env={"PATH": os.environ["PATH"], "COMPOSE_PROFILES": profiles}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["services"]) >= SERVERS


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_can_take_the_machine(name: str) -> None:
    limits = SERVICES[name]["deploy"]["resources"]["limits"]
    assert float(limits["cpus"]) > 0
    assert re.fullmatch(r"\d+[mg]", limits["memory"])


@pytest.mark.parametrize("name", sorted(PROGRAM))
def test_the_program_runs_locked_up_as_in_production(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    open_ports = [resolved(port) for port in service.get("ports", [])]
    assert open_ports == (["127.0.0.1:8000:8000"] if name == "api" else [])


def test_the_program_is_the_version_of_this_tree_and_is_built_here() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for name in PROGRAM:
        assert resolved(SERVICES[name]["image"]) == f"localhost/upi-fraud-stream:{version}"
        assert SERVICES[name]["pull_policy"] == "never"


def test_the_worker_has_the_time_and_the_room_that_it_has_in_kubernetes() -> None:
    manifest = yaml.safe_load((ROOT / "deploy/k8s/base/deployment.yaml").read_text())["spec"]["template"]["spec"]
    worker = SERVICES["worker"]
    assert worker["stop_grace_period"] == f"{manifest['terminationGracePeriodSeconds']}s"
    limits = manifest["containers"][0]["resources"]["limits"]
    assert worker["deploy"]["resources"]["limits"]["cpus"] == limits["cpu"]
    assert worker["deploy"]["resources"]["limits"]["memory"].replace("g", "Gi") == limits["memory"]


def test_the_program_reaches_the_servers_by_their_inner_addresses() -> None:
    password = resolved(SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"])
    for name in PROGRAM:
        assert {key: resolved(value) for key, value in SERVICES[name]["environment"].items()} == {
            "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": "kafka:19092",
            "UPIFRAUD_REDIS_URL": "redis://redis:6379/0",
            "UPIFRAUD_POSTGRES_URL": f"postgresql://postgres:{password}@postgres:5432/{postgres.DATABASE}",
        }


def test_prometheus_accepts_its_configuration_with_the_shipped_rules(tmp_path: Path) -> None:
    mounts = dict(volume.split(":")[1::-1] for volume in SERVICES["prometheus"]["volumes"] if volume.startswith("."))
    assert mounts["/etc/prometheus/rules"] == "./deploy/prometheus/rules"
    config = (ROOT / mounts["/etc/prometheus/prometheus.yml"]).read_text()
    here = tmp_path / "prometheus.yml"
    here.write_text(config.replace("/etc/prometheus/rules", str(ROOT / "deploy/prometheus/rules")))
    done = subprocess.run([tool("promtool"), "check", "config", here], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shipped = list((ROOT / "deploy/prometheus/rules").glob("*.yaml"))
    assert shipped
    assert f"{len(shipped)} rule files found" in done.stdout


def test_prometheus_finds_workers_by_the_name_and_port_they_have() -> None:
    [workers, api, _] = yaml.safe_load((ROOT / "deploy/compose/prometheus.yml").read_text())["scrape_configs"]
    [found] = workers["dns_sd_configs"]
    assert (workers["job_name"], found["names"], found["port"]) == ("upi-fraud-stream", ["worker"], 9464)
    assert ":9464/readyz" in SERVICES["worker"]["healthcheck"]["test"][-1]
    [found] = api["dns_sd_configs"]
    assert (api["job_name"], found["names"], found["port"]) == ("upi-fraud-stream-api", ["api"], 8000)
    assert ":8000/readyz" in SERVICES["api"]["healthcheck"]["test"][-1]


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ENDS))
def test_every_service_is_asked_itself_and_reached_from_this_host_alone(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert service["healthcheck"]["start_period"]
    assert all(resolved(port).startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_has_a_version_that_can_be_overridden_in_one_place(name: str) -> None:
    image = SERVICES[name]["image"]
    assert image in COMPOSE["x-versions"].values()
    assert re.fullmatch(r"[\w./-]+:\$\{[A-Z]+_VERSION:-v?[\d.]+\}", image)


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_exists_and_what_is_stored_is_declared(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source = volume.split(":")[0]
        assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_is_there_and_healthy(name: str) -> None:
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        assert needed in SERVICES
        assert how["condition"] == ("service_completed_successfully" if needed == "setup" else "service_healthy")


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
