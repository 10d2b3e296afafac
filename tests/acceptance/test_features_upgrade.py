"""Up from the release of 80 features, and back: its rows stand, its logs go on, and either release measures the same.

    payments   part 1          | part 2          | part 3          | part 4
    release    of 80 features  | this one        | of 80 features  | this one

Redis is lost before each of the later parts, and rebuilt by the release that goes on.

The release before is taken from the repository's history.
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import psycopg
import pyarrow.parquet as pq
import pytest
import redis

from features.entities import KINDS, PAYER
from features.store import layout
from tests.acceptance.test_rebuild import REPORT_LOGS, contents, one_partition
from tests.fixtures.deployment import CURRENT, Release, until

if TYPE_CHECKING:
    from local.kafka import Broker
    from local.valkey import ValkeyServer
    from tests.fixtures.deployment import Deployment

pytestmark = [pytest.mark.servers, pytest.mark.long, pytest.mark.timeout(3600)]

ROOT: Final = Path(__file__).parents[2]
BEFORE: Final = "d8df0f68cebcae96a1b3aba8f47b83dd5ce9d068"
PARTS: Final = 4
OTHERS_LOGS: Final = tuple(layout.key(kind.letter, b"") for kind in KINDS if kind is not PAYER)
PAYMENTS: Final = 1_600


@pytest.fixture(scope="session")
def release_before(pytestconfig: pytest.Config) -> Release:
    """The release before, with its kernels beside it; kept with pytest's cache, as compiling takes a minute."""
    there = pytestconfig.cache.mkdir(f"release-{BEFORE[:7]}")
    if not (there / "upifraud" / "cli.py").exists():
        archive = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=False)
        if archive.returncode:
            pytest.skip(f"needs commit {BEFORE[:7]}: run git fetch --unshallow")
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as packed:
            packed.extractall(there, filter="data")
    return Release.of(there)


def as_before(url: str) -> None:
    """Let the tables be those of the release before."""
    with psycopg.connect(url) as connection:
        connection.execute((ROOT / "deploy/postgres/drop_0005.sql").read_text())


def split(here: Path) -> None:
    """Write the payments in parts, and outcomes that were reported within the first, in the order of their times."""
    payments = pq.read_table(here / "payments.parquet")
    step = len(payments) // PARTS
    for part in range(PARTS):
        pq.write_table(payments[part * step : (part + 1) * step], here / f"payments-{part + 1}.parquet")
    border = payments["event_time"][step].as_py()
    told = [
        {"transaction_id": one["transaction_id"], "outcome": ("FRAUD", "GENUINE")[n % 2], "reported_at": at}
        for n, one in enumerate(payments[:step:2].to_pylist())
        if (at := one["event_time"] + n % 50 * 3_600_000) < border - 1
    ]
    told.sort(key=lambda row: row["reported_at"])
    assert len(told) > 50
    (here / "outcomes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in told))


def vectors(deployment: Deployment, *outcomes: str) -> dict[str, dict[str, np.float32]]:
    """Return what the release that is deployed measures of the whole history, by payment and feature."""
    here = deployment.directory
    payments = str(here / "payments.parquet")
    deployment.upifraud("features", "--payments", payments, *outcomes, "--out", str(here / "vectors.parquet"))
    return {row.pop("transaction_id"): row for row in pq.read_table(here / "vectors.parquet").to_pylist()}


def rows_of(file: Path) -> dict[str, dict[str, Any]]:
    table = pq.read_table(file)
    found = {row["transaction_id"]: row for row in table.to_pylist()}
    for row in found.values():
        sets = json.loads((table.schema.metadata or {}).get(b"feature_sets", b"{}"))
        row["names"] = sets.get(row["schema_hash"]) or json.loads(table.schema.metadata[b"features"])
    return found


def must_be(stored: dict[str, Any], measured: dict[str, np.float32]) -> None:
    """Fail unless a stored vector is what the files give, to the bit."""
    assert stored["names"] == list(measured)
    expected = np.array(list(measured.values()), dtype=np.float32)
    assert np.array(stored["vector"], dtype=np.float32).tobytes() == expected.tobytes(), stored["transaction_id"]


def bits(row: dict[str, Any]) -> tuple[object, ...]:
    numbers = (np.array(row[name]).tobytes() for name in ("vector", "contributions"))
    return (*numbers, row["score"], row["margin"], row["base_value"], row["verdict"], row["model_id"])


def play(deployment: Deployment, part: int) -> list[str]:
    """Let a worker of the release have a part, and end; return the ids of its payments."""
    file = deployment.directory / f"payments-{part}.parquet"
    worker = deployment.start_worker()
    deployment.upifraud("replay", str(file))
    if part == 1:
        deployment.upifraud("replay", str(deployment.directory / "outcomes.jsonl"), "--topic", "outcomes")
    assert worker.terminate() == 0, worker.said()
    return [str(name) for name in pq.read_table(file)["transaction_id"].to_pylist()]


def lose_and_rebuild(deployment: Deployment, server: ValkeyServer, *, other: bool = False) -> None:
    """Wipe Redis; the rebuilt one must be what it was, as far as both releases know it if the other one wrote it."""
    held = contents(server)
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
    deployment.upifraud("rebuild-features")
    found = contents(server)
    if other:
        held, found = ({key: known_to_both(key, log) for key, log in logs.items()} for logs in (held, found))
    assert found == held


def known_to_both(key: bytes, log: object) -> object:
    """Return a log without what the release before does not know: the order of outcome reports, and what a payee paid.

    That stands in the logs of payees and devices, where the other has a place that nobody reads.
    """
    if key.startswith(REPORT_LOGS):
        assert isinstance(log, bytes)
        return sorted(log[at : at + 16] for at in range(0, len(log), 16))
    if key.startswith(OTHERS_LOGS):
        assert isinstance(log, bytes)
        records = [log[at : at + 32] for at in range(0, len(log), 32)]
        return [record[:24] + record[28:31] + bytes([record[31] & 0x7F]) for record in records]
    return log


def test_up_and_back(
    deployment: Deployment, kafka: Broker, redis_server: ValkeyServer, release_before: Release
) -> None:
    here = deployment.directory
    models: dict[Release, Path] = {}
    outcomes = ("--outcomes", str(here / "outcomes.jsonl"))
    one_partition(deployment, kafka)
    as_before(deployment.environment["UPIFRAUD_POSTGRES_URL"])
    deployment.release = release_before
    deployment.upifraud(
        "simulate", "--seed", "37", "--payers", "60", "--payments", str(PAYMENTS), "--fraud-rate", "0.05",
        "--hot-payee", "0.3", "--until", "now", "--out", str(here),
    )  # fmt: skip
    split(here)

    def train(release: Release) -> None:
        deployment.release = release
        models[release] = here / f"model-{len(models)}"
        deployment.upifraud(
            "train", "--payments", str(here / "payments.parquet"), *outcomes,
            "--trees", "10", "--alert-budget", "0.3", "--hold-precision", "0.1", "--out", str(models[release]),
            *(["--no-baselines"] if release == CURRENT else []), seconds=900,
        )  # fmt: skip

    def deploy(release: Release) -> None:
        deployment.release = release
        deployment.environment["UPIFRAUD_MODEL_DIR"] = str(models[release])

    # The release before, as it was.
    train(release_before)
    deploy(release_before)
    first = play(deployment, 1)
    measured_before, untold = vectors(deployment, *outcomes), vectors(deployment)
    deployment.upifraud("export", "verdicts", "--out", str(here / "before.parquet"))
    before = rows_of(here / "before.parquet")
    assert set(before) == set(first)
    for name in first:
        must_be(before[name], untold[name])  # they are reported after all payments of this part
    held = list(map(json.loads, deployment.upifraud("holds", "list", "--json").splitlines()))
    assert len(held) > 1
    explained = {name: deployment.upifraud("explain", name, "--json") for name in (first[5], held[0]["transaction_id"])}

    # Up. The artifact is trained first; a worker with the old one refuses and says so.
    deployment.release = CURRENT
    worker = deployment.start_waiting_worker()
    until(lambda: not worker.running(), "the worker refuses the artifact")
    assert "train anew with `upifraud train`" in worker.said()
    assert "Traceback" not in worker.said()
    deployment.upifraud("migrate")
    train(CURRENT)
    deploy(CURRENT)
    measured = vectors(deployment, *outcomes)
    assert len(next(iter(measured.values()))) > len(next(iter(measured_before.values())))
    for name, told in explained.items():
        assert json.loads(deployment.upifraud("explain", name, "--json")) == json.loads(told)
    lose_and_rebuild(deployment, redis_server)
    second = play(deployment, 2)
    deployment.upifraud("holds", "release", held[0]["transaction_id"], "--reason", "known to the bank", "--by", "asha")
    lose_and_rebuild(deployment, redis_server)

    # Back. It reads what this release wrote, and goes on where this one ended.
    deploy(release_before)
    lose_and_rebuild(deployment, redis_server, other=True)
    third = play(deployment, 3)
    deployment.refused("export", "verdicts", "--out", str(here / "whole.parquet"), because="--since")
    assert len(json.loads(deployment.upifraud("explain", second[5], "--json"))["reasons"]) == len(measured[second[5]])

    # And up again. Each row is under its own model's features, and what was there is what it was.
    deploy(CURRENT)
    deployment.upifraud("migrate")
    lose_and_rebuild(deployment, redis_server, other=True)
    fourth = play(deployment, 4)
    lose_and_rebuild(deployment, redis_server)
    deployment.upifraud("export", "verdicts", "--out", str(here / "whole.parquet"))
    stored = rows_of(here / "whole.parquet")
    assert set(stored) == {*first, *second, *third, *fourth}
    assert len({tuple(row["names"]) for row in stored.values()}) == 2
    for name in first:
        assert bits(stored[name]) == bits(before[name])
    for names, expected in ((third, measured_before), (second + fourth, measured)):
        for name in names:
            must_be(stored[name], expected[name])
    assert any(stored[name]["vector"][stored[name]["names"].index("payee_fraud_rate_30d")] > 0 for name in fourth)
    figures = json.loads(deployment.upifraud("evaluate", "--verdicts", str(here / "whole.parquet"), *outcomes))
    assert (figures["payments"], figures["frauds"] > 10) == (PAYMENTS, True)
