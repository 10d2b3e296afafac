"""Holds end through the commands, and every resolution reaches its topic, whatever is killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Final

import pytest
from click.testing import CliRunner, Result

from stream.holds import Action, HoldError, PostgresHolds, decide
from stream.kafka.topic_reader import TopicReader
from stream.verdict_store import VerdictStore, migrate
from stream.wire import decode_resolution, utc_time
from tests.fixtures.holds import ALLOW, HOUR, NOON, store_verdicts
from upifraud.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.kafka import Broker
    from tests.fixtures.servers import TopicFactory

pytestmark = pytest.mark.servers

PROGRAM: Final = [sys.executable, "-c", "from upifraud.cli import main; main()"]
DIES: Final = """
import os, signal
from stream.holds import PostgresHolds
from stream.kafka.publisher import Publisher
from upifraud.cli import main

def die(*_arguments):
    os.kill(os.getpid(), signal.SIGKILL)

if {place!r} == "before it is sent":
    Publisher.produce = die
elif {place!r} == "before it is confirmed":
    Publisher.confirm = die
else:
    PostgresHolds.confirmed = die
main(["holds", "expire"])
"""


@pytest.fixture
def env(kafka: Broker, postgres_url: str, topic_factory: TopicFactory) -> dict[str, str]:
    """Settings with a fresh database and a fresh topic of resolutions."""
    migrate(postgres_url)
    return {
        "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "UPIFRAUD_POSTGRES_URL": postgres_url,
        "UPIFRAUD_TOPIC_RESOLUTIONS": topic_factory("resolutions", partitions=3),
    }


@pytest.fixture
def verdicts(env: dict[str, str]) -> Iterator[VerdictStore]:
    opened = VerdictStore(env["UPIFRAUD_POSTGRES_URL"])
    yield opened
    opened.close()


def run(env: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(main, ["holds", *arguments], env=env)


def published(env: dict[str, str]) -> dict[bytes, list[bytes]]:
    """What the topic has, by key, in order."""
    found: dict[bytes, list[bytes]] = defaultdict(list)
    with TopicReader(
        {"bootstrap.servers": env["UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS"]}, [env["UPIFRAUD_TOPIC_RESOLUTIONS"]]
    ) as reader:
        for record in reader.until_end():
            key, value = record.key(), record.value()
            assert isinstance(key, bytes)
            found[key].append(value or b"")
    return dict(found)


def now() -> int:
    return time.time_ns() // 1_000_000


# Commands ---------------------------------------------------------------------------------------------------------


def test_a_hold_is_released_once_and_the_switch_is_told(env: dict[str, str], verdicts: VerdictStore) -> None:
    store_verdicts(verdicts, ["a", "b"], hold_until=now() + HOUR)
    first = run(env, "release", "a", "--reason", "Customer confirmed.", "--by", "asha")
    assert (first.exit_code, first.stderr) == (0, "")
    assert first.stdout.startswith("released by asha at ")
    (record,) = published(env)[b"a"]
    again = run(env, "release", "a", "--reason", "Something else.", "--by", "asha", "--json")
    assert (again.exit_code, again.stdout_bytes) == (0, record + b"\n")
    other = run(env, "reject", "a", "--reason", "No.", "--by", "ravi", "--json")
    assert (other.exit_code, other.stdout_bytes) == (1, record + b"\n")
    assert "asha ended it with RELEASE" in other.stderr
    assert run(env, "reject", "b", "--reason", "No.", "--by", "ravi").exit_code == 0
    assert {key: len(values) for key, values in published(env).items()} == {b"a": 1, b"b": 1}


def test_what_is_not_held_or_not_said_right_is_refused(env: dict[str, str], verdicts: VerdictStore) -> None:
    store_verdicts(verdicts, ["allowed"], verdict=ALLOW, hold_until=None)
    for name, words in (("allowed", "has ALLOW"), ("stranger", "no verdict")):
        refused = run(env, "release", name, "--reason", "x", "--by", "asha")
        assert refused.exit_code == 1
        assert words in refused.stderr
    for reason, by in (("", "asha"), ("x" * 1001, "asha"), ("bell \a", "asha"), ("x", "y" * 129), ("x", "a\nb")):
        wrong = run(env, "release", "allowed", "--reason", reason, "--by", by)
        assert wrong.exit_code == 2, wrong.output
    assert run(env, "release", "allowed").exit_code == 2
    assert published(env) == {}


def test_holds_are_listed(env: dict[str, str], verdicts: VerdictStore) -> None:
    end = now() + HOUR
    store_verdicts(verdicts, ["later", "ended"], hold_until=end + 5)
    store_verdicts(verdicts, ["sooner"], hold_until=end)
    store_verdicts(verdicts, ["endless"], hold_until=None)
    run(env, "reject", "ended", "--reason", "No.", "--by", "ravi")
    listed = [json.loads(line) for line in run(env, "list", "--json").stdout.splitlines()]
    assert [hold["transaction_id"] for hold in listed] == ["sooner", "later", "endless", "ended"]
    assert listed[0] == {
        "transaction_id": "sooner",
        "event_time": utc_time(NOON),
        "decided_at": utc_time(NOON),
        "hold_until": utc_time(end),
        "amount_paise": 124_300,
        "score": 0.5,
        "resolution": None,
    }
    assert listed[2]["hold_until"] is None
    assert (listed[3]["resolution"]["action"], listed[3]["resolution"]["by"]) == ("REJECT", "ravi")
    only_open = run(env, "list", "--open").stdout.splitlines()
    assert [line.split()[0] for line in only_open] == ["sooner", "later", "endless"]
    until = run(env, "list", "--until", utc_time(end + 4)).stdout.splitlines()
    assert [line.split()[0] for line in until] == ["sooner"]
    assert "asha@okaxis" not in run(env, "list", "--json").stdout


@pytest.mark.parametrize("expiry", ["RELEASE", "REJECT"])
def test_expire_ends_what_is_due_with_the_action_of_the_settings(
    env: dict[str, str], verdicts: VerdictStore, expiry: str
) -> None:
    store_verdicts(verdicts, [f"T{number}" for number in range(1200)], hold_until=NOON + 1)
    store_verdicts(verdicts, ["open"], hold_until=now() + HOUR)
    ended = run({**env, "UPIFRAUD_HOLD_EXPIRY": expiry.lower()}, "expire")
    assert (ended.exit_code, ended.stdout) == (0, f"ended 1200 holds with {expiry}, sent 1200 resolutions\n")
    found = published(env)
    assert {len(values) for values in found.values()} == {1}
    assert {decode_resolution(values[0]).action for values in found.values()} == {expiry}
    assert found.keys() == {b"T%d" % number for number in range(1200)}
    late = run(env, "release", "T7", "--reason", "x", "--by", "asha", "--json")
    assert (late.exit_code, late.stdout_bytes) == (1, found[b"T7"][0] + b"\n")


def test_what_is_stored_while_the_broker_is_gone_is_sent_when_it_is_back(
    env: dict[str, str], verdicts: VerdictStore
) -> None:
    store_verdicts(verdicts, ["a"], hold_until=now() + HOUR)
    gone = {**env, "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    released = run(gone, "release", "a", "--reason", "x", "--by", "asha", "--json")
    assert released.exit_code == 0
    assert "stored and not sent yet" in released.stderr
    assert run(gone, "expire").exit_code == 1
    assert run(env, "expire").stdout == "ended 0 holds with RELEASE, sent 1 resolutions\n"
    assert published(env) == {b"a": [released.stdout_bytes.strip()]}


def test_a_database_that_was_not_migrated_is_named(postgres_url: str, kafka: Broker) -> None:
    env = {
        "UPIFRAUD_POSTGRES_URL": postgres_url,
        "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
    }
    for arguments in (["list"], ["expire"], ["release", "a", "--reason", "x", "--by", "y"]):
        refused = run(env, *arguments)
        assert refused.exit_code == 1
        assert "upifraud migrate" in refused.stderr


# Deaths -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "times"), [("before it is sent", {1}), ("before it is confirmed", {1, 2}), ("before it is noted", {2})]
)
def test_a_publisher_that_dies_leaves_the_record_to_the_next(
    env: dict[str, str], verdicts: VerdictStore, place: str, times: set[int]
) -> None:
    """After the commit, at each place on its way: the record still comes, in the same bytes."""
    store_verdicts(verdicts, ["a"], hold_until=now() + HOUR)
    store_verdicts(verdicts, ["b"], hold_until=NOON + 1)
    with PostgresHoldsOf(env) as holds:
        record = decide(holds, "a", Action.RELEASE, by="asha", reason="x", at=now(), expiry=Action.RELEASE).record
        died = subprocess.run(
            [sys.executable, "-c", DIES.format(place=place)],
            env={**os.environ, **env},
            capture_output=True,
            check=False,
        )
        assert died.returncode == -signal.SIGKILL, died.stderr.decode()
        assert holds.counts(now()).waiting == 2
    assert "sent 2 resolutions" in run(env, "expire").stdout
    found = published(env)
    assert {len(values) for values in found.values()} <= times
    assert set(found[b"a"]) == {record}
    assert len(set(found[b"b"])) == 1


class PostgresHoldsOf:
    """The holds of a test's settings, closed at the end."""

    def __init__(self, env: dict[str, str]) -> None:
        self._holds = PostgresHolds(env["UPIFRAUD_POSTGRES_URL"])

    def __enter__(self) -> PostgresHolds:
        return self._holds

    def __exit__(self, *_exc: object) -> None:
        self._holds.close()


def test_following_ends_holds_in_time_until_it_is_told_to_stop(env: dict[str, str], verdicts: VerdictStore) -> None:
    process = subprocess.Popen([*PROGRAM, "holds", "expire", "--follow"], env={**os.environ, **env})
    try:
        for number in range(2):
            store_verdicts(verdicts, [f"T{number}"], hold_until=now() + 100)
            deadline = time.monotonic() + 60
            while len(published(env)) <= number and time.monotonic() < deadline:
                time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert {key: len(values) for key, values in published(env).items()} == {b"T0": 1, b"T1": 1}


@pytest.mark.slow
def test_released_rejected_and_expired_at_once_while_publishers_are_killed(
    env: dict[str, str], verdicts: VerdictStore
) -> None:
    """Two processes publish and are killed again and again: each hold has one end, on the topic in the same bytes."""
    draw = random.Random(7)
    began = now()
    names = [f"T{number}" for number in range(600)]
    for number, name in enumerate(names):
        store_verdicts(verdicts, [name], hold_until=began + 30 * number)
    processes = [subprocess.Popen([*PROGRAM, "holds", "expire", "--follow"], env={**os.environ, **env}) for _ in "ab"]
    told: dict[str, set[bytes]] = defaultdict(set)
    lock = threading.Lock()

    def client(action: Action, by: str) -> None:
        with PostgresHoldsOf(env) as holds:
            for name in names:
                try:
                    record = decide(holds, name, action, by=by, reason="x", at=now(), expiry=Action.RELEASE).record
                except HoldError as error:
                    record = error.record  # type: ignore[attr-defined]
                with lock:
                    told[name].add(record)
                time.sleep(draw.random() * 0.06)

    clients = [
        threading.Thread(target=client, args=(action, by))
        for action, by in ((Action.RELEASE, "asha"), (Action.REJECT, "ravi"), (Action.RELEASE, "asha"))
    ]
    try:
        for thread in clients:
            thread.start()
        while any(thread.is_alive() for thread in clients):
            time.sleep(2 + 2 * draw.random())  # half of it goes by until it has begun
            place = draw.randrange(2)
            processes[place].kill()
            processes[place].wait()
            processes[place] = subprocess.Popen([*PROGRAM, "holds", "expire", "--follow"], env={**os.environ, **env})
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert run(env, "expire").exit_code == 0
    found = published(env)
    assert found.keys() == {name.encode() for name in names}
    assert {name: set(found[name.encode()]) for name in names} == told
    assert {len(records) for records in told.values()} == {1}
