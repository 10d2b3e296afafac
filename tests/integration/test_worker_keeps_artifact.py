"""A worker puts its artifact into the verdict store, and goes on where it may not."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from model.artifact import DEFAULT_DIR, load
from stream.running.health import Health
from stream.running.retry import Retry, Server
from stream.settings import read_settings
from stream.verdict_store import migrate
from stream.verdict_store.artifacts import fetch
from upifraud.worker import keep_artifact

if TYPE_CHECKING:
    from stream.settings import Settings

pytestmark = pytest.mark.servers


@pytest.fixture
def settings(postgres_url: str) -> Settings:
    migrate(postgres_url)
    return read_settings({"UPIFRAUD_POSTGRES_URL": postgres_url})


def keep(settings: Settings) -> None:
    keep_artifact(
        settings,
        load(DEFAULT_DIR),
        Retry(Server.POSTGRES, Health(time.monotonic, stall_seconds=60, rebalance_seconds=60), threading.Event()),
    )


def test_the_artifact_is_kept_once(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    keep(settings)
    first = fetch(settings.postgres_url, load(DEFAULT_DIR).model_id)
    assert first is not None
    keep(settings)
    with psycopg.connect(settings.postgres_url) as connection:
        assert connection.execute("SELECT count(*) FROM model_artifacts").fetchone() == (1,)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_a_worker_without_the_right_goes_on_with_a_warning(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with psycopg.connect(settings.postgres_url) as connection:  # whoever inserts lacks the right from now on
        connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'permission denied' USING ERRCODE = 'insufficient_privilege'; END $$"
        )
        connection.execute("CREATE TRIGGER refuse BEFORE INSERT ON model_artifacts EXECUTE FUNCTION refuse()")
    keep(settings)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "permission denied" in warning
    assert load(DEFAULT_DIR).model_id in warning
