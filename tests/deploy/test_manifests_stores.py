"""The stores of the cluster, started with the arguments and files that their pods get: who gets in, and how."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis

from features.store.redis_store import RedisEntityStore
from stream.verdict_store import migrate
from tests.fixtures.manifests import Manifests, containers, overlay
from tests.fixtures.store_servers import PASSWORD, SUPERUSER_PASSWORD, postgres_server, redis_server

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.servers
WAYS = [pytest.param("dev", False, id="plain"), pytest.param("staging", True, id="tls")]


@pytest.mark.parametrize(("name", "tls"), WAYS)
def test_redis_lets_in_who_has_the_password_and_others_only_ask(name: str, tls: bool, tmp_path: Path) -> None:
    with redis_server(overlay(name), tmp_path, tls=tls) as (port, files):
        way = f"?ssl_ca_certs={files.at('/run/tls/redis')}/ca.crt" if tls else ""
        scheme = "rediss" if tls else "redis"
        store = RedisEntityStore(f"{scheme}://upifraud:{PASSWORD}@localhost:{port}/0{way}")
        store.check_identity(b"0123456789abcdef")
        store.close()
        with redis.Redis.from_url(f"{scheme}://localhost:{port}/0{way}", protocol=2) as stranger:
            assert stranger.ping()
            with pytest.raises(redis.exceptions.NoPermissionError):
                stranger.get("upifraud")
        with (
            redis.Redis.from_url(f"{scheme}://upifraud:wrong@localhost:{port}/0{way}", protocol=2) as wrong,
            pytest.raises(redis.AuthenticationError),
        ):
            wrong.ping()
        if tls:
            with (
                redis.Redis.from_url(f"redis://upifraud:{PASSWORD}@localhost:{port}/0") as clear,
                pytest.raises(redis.ConnectionError),
            ):
                clear.ping()


@pytest.mark.parametrize(("name", "tls"), WAYS)
def test_the_probe_of_redis_asks_the_server(name: str, tls: bool, tmp_path: Path) -> None:
    rendered = overlay(name)
    client = shutil.which("redis-cli")
    if client is None:
        pytest.skip("needs redis-cli: run deploy/tools.sh tls-stores")
    pod = rendered.one("StatefulSet", "redis")["spec"]["template"]["spec"]
    with redis_server(rendered, tmp_path, tls=tls) as (port, files):
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            words = [files.here(one) for one in containers(pod)[0][probe]["exec"]["command"]]
            words[-1] = words[-1].replace("valkey-cli", f"{client} -p {port}")
            subprocess.run(words, check=True)


@pytest.mark.parametrize(("name", "tls"), WAYS)
def test_postgres_lets_in_the_program_alone(name: str, tls: bool, tmp_path: Path) -> None:
    with postgres_server(overlay(name), tmp_path, tls=tls) as (port, files):
        way = f"?sslmode=verify-full&sslrootcert={files.at('/run/tls/postgres')}/ca.crt" if tls else ""
        there = f"localhost:{port}/upifraud{way}"
        assert migrate(f"postgresql://upifraud:{PASSWORD}@{there}"), "the owner of the database can make the tables"
        with psycopg.connect(f"postgresql://upifraud:{PASSWORD}@{there}") as connection:
            row = connection.execute(
                "SELECT rolsuper, current_setting('fsync'), current_setting('synchronous_commit'),"
                " current_setting('data_checksums'), current_setting('ssl') FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
        assert row == (False, "on", "on", "on", "on" if tls else "off")
        for user, password in (("upifraud", "wrong"), ("postgres", SUPERUSER_PASSWORD)):
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(f"postgresql://{user}:{password}@{there}")
        if tls:
            clear = f"postgresql://upifraud:{PASSWORD}@localhost:{port}/upifraud?sslmode=disable"
            with pytest.raises(psycopg.OperationalError, match="no encryption"):
                psycopg.connect(clear)


def test_a_rendered_store_is_one_of_the_two(tmp_path: Path) -> None:
    assert {one["metadata"]["name"] for one in _stores(overlay("staging"))} == {"redis", "postgres"}
    assert _stores(overlay("production")) == []


def _stores(rendered: Manifests) -> list[dict[str, object]]:
    return rendered.of("StatefulSet")
