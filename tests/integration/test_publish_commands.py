"""The commands that read what was published, against a real broker."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from stream.kafka.publisher import Publisher
from stream.kafka.topic_reader import TopicReader
from stream.schemas.examples import ALERT, DEAD_LETTER
from stream.sinks import dead_letters
from stream.sinks.dead_letters import DeadLetter
from stream.wire import RejectionReason, alert_id, dead_letter_topic, encode_alert
from upifraud.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.kafka import Broker
    from tests.fixtures.servers import TopicFactory

pytestmark = pytest.mark.servers


@pytest.fixture
def publisher(kafka: Broker) -> Iterator[Publisher]:
    publisher = Publisher({"bootstrap.servers": kafka.bootstrap_servers})
    yield publisher
    publisher.close()


@pytest.fixture
def topics(kafka: Broker, topic_factory: TopicFactory) -> dict[str, str]:
    """Settings with fresh topics of three partitions, and dead-letter topics beside them."""
    from local import kafka_admin

    names = {name: topic_factory(name, partitions=3) for name in ("transactions", "outcomes", "alerts")}
    kafka_admin.make_topics(
        kafka.bootstrap_servers, {dead_letter_topic(names[name]): 2 for name in ("transactions", "outcomes")}
    )
    return {
        "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        **{f"UPIFRAUD_TOPIC_{name.upper()}": topic for name, topic in names.items()},
    }


def run(topics: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env=topics, catch_exceptions=False)


def alert(number: int, **changed: Any) -> bytes:
    name = f"T{number}"
    return encode_alert(msgspec.structs.replace(ALERT, alert_id=alert_id(name), transaction_id=name, **changed))


def everything(topics: dict[str, str], topic: str) -> list[Any]:
    with TopicReader({"bootstrap.servers": topics["UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS"]}, [topic]) as reader:
        return list(reader.until_end())


# alerts -----------------------------------------------------------------------------------------------------------


def test_alerts_are_shown_once_each_as_they_were_sent(topics: dict[str, str], publisher: Publisher) -> None:
    sent = [alert(number) for number in range(20)]
    for value in [*sent, *sent[:5]]:
        publisher.produce(topics["UPIFRAUD_TOPIC_ALERTS"], b"k", value)
    publisher.produce(topics["UPIFRAUD_TOPIC_ALERTS"], b"k", b"no alert")
    publisher.produce(topics["UPIFRAUD_TOPIC_ALERTS"], b"k", None)
    publisher.confirm(30)
    result = run(topics, "alerts", "--json")
    assert result.exit_code == 0
    assert sorted(result.stdout.splitlines()) == sorted(value.decode() for value in sent)
    assert result.stderr.count("expected an alert") == 2


def test_alerts_in_words_name_payment_verdict_and_strongest_reason(
    topics: dict[str, str], publisher: Publisher
) -> None:
    publisher.produce(topics["UPIFRAUD_TOPIC_ALERTS"], b"k", alert(1, verdict="BLOCK", payer_vpa="[red]x@y"))
    publisher.produce(topics["UPIFRAUD_TOPIC_ALERTS"], b"k", alert(2, verdict="REVIEW"))
    publisher.confirm(30)
    result = run(topics, "alerts", "--verdict", "block")
    assert result.exit_code == 0
    assert "BLOCK" in result.stdout
    assert "REVIEW" not in result.stdout
    assert "₹1,243.00" in result.stdout
    assert "[red]x@y → krishna.stores@ybl" in result.stdout
    assert ALERT.reasons[0].text in result.stdout


def test_following_shows_new_alerts_until_it_is_told_to_stop(
    topics: dict[str, str], publisher: Publisher, tmp_path: Path
) -> None:
    publisher.produce(topics["UPIFRAUD_TOPIC_ALERTS"], b"k", alert(0))
    publisher.confirm(30)
    shown = tmp_path / "shown"
    with shown.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", "from upifraud.cli import main; main()", "alerts", "--follow", "--json"],
            env={**os.environ, **topics},
            stdout=out,
        )
    number = 1
    deadline = time.monotonic() + 60
    try:
        while shown.read_bytes().count(b"\n") < 3 and time.monotonic() < deadline:  # until it has begun, and then some
            publisher.produce(topics["UPIFRAUD_TOPIC_ALERTS"], b"k", alert(number))
            publisher.confirm(30)
            number += 1
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    lines = shown.read_bytes().splitlines()
    names = [json.loads(line)["transaction_id"] for line in lines]
    assert len(names) >= 3
    assert "T0" not in names
    assert names == [f"T{at}" for at in range(int(names[0][1:]), int(names[0][1:]) + len(names))]


def test_a_missing_topic_is_named(topics: dict[str, str]) -> None:
    result = run({**topics, "UPIFRAUD_TOPIC_ALERTS": "never-made"}, "alerts")
    assert result.exit_code == 1
    assert "never-made" in result.stderr


def test_from_beginning_without_follow_is_a_usage_error(topics: dict[str, str]) -> None:
    assert run(topics, "alerts", "--from-beginning").exit_code == 2


# dead letters -----------------------------------------------------------------------------------------------------


def bury(publisher: Publisher, source: str, value: bytes | None, *, offset: int = 7, **changed: Any) -> DeadLetter:
    ours = msgspec.structs.replace(DEAD_LETTER, source_topic=source, source_offset=str(offset), **changed)
    letter = DeadLetter(
        topic=dead_letter_topic(source),
        key=b"\xffkey",
        value=value,
        headers=[("trace", b"\x00"), ("reason", b"the producer's"), *dead_letters.write_headers(ours)],
    )
    publisher.produce(letter.topic, letter.key, letter.value, letter.headers)
    return letter


def test_dead_letters_of_both_topics_are_listed_with_bytes_as_they_came(
    topics: dict[str, str], publisher: Publisher
) -> None:
    payments, outcomes = topics["UPIFRAUD_TOPIC_TRANSACTIONS"], topics["UPIFRAUD_TOPIC_OUTCOMES"]
    bury(publisher, payments, b"\x00\xff")
    bury(publisher, payments, None, reason=RejectionReason.NULL_VALUE)
    bury(publisher, outcomes, b"{}", reason=RejectionReason.MISSING_FIELD, source_partition="2")
    publisher.produce(dead_letter_topic(payments), None, b"somebody else's")
    publisher.confirm(30)
    result = run(topics, "dead-letters", "list", "--json")
    assert result.exit_code == 0
    found = {line["reason"]: line for line in map(json.loads, result.stdout.splitlines())}
    assert set(found) == {"bad-vpa", "null-value", "missing-field"}
    assert found["null-value"]["value"] is None
    letter = found["bad-vpa"]
    assert base64.b64decode(letter["value"]) == b"\x00\xff"
    assert base64.b64decode(letter["key"]) == b"\xffkey"
    assert (letter["topic"], letter["source_topic"]) == (dead_letter_topic(payments), payments)
    assert (letter["source_partition"], letter["source_offset"]) == (3, 7)
    assert letter["detail"] == DEAD_LETTER.detail
    assert isinstance(letter["partition"], int)
    assert isinstance(letter["offset"], int)
    assert "Left out" in result.stderr
    plain = run(topics, "dead-letters", "list").stdout
    assert len(plain.splitlines()) == 3
    assert f"{outcomes}/2@7" in plain


def test_no_dead_letters_are_an_empty_list(topics: dict[str, str]) -> None:
    result = run(topics, "dead-letters", "list", "--json")
    assert (result.exit_code, result.stdout) == (0, "")


def test_replay_sends_originals_back_with_their_own_headers_only(topics: dict[str, str], publisher: Publisher) -> None:
    payments, outcomes = topics["UPIFRAUD_TOPIC_TRANSACTIONS"], topics["UPIFRAUD_TOPIC_OUTCOMES"]
    bury(publisher, payments, b"one", reason=RejectionReason.TIME_IN_FUTURE)
    bury(publisher, payments, b"one", reason=RejectionReason.TIME_IN_FUTURE, offset=8)
    bury(publisher, payments, b"two")
    bury(publisher, outcomes, None, reason=RejectionReason.TIME_IN_FUTURE)
    bury(publisher, payments, b"", reason=RejectionReason.TOO_LARGE, value_omitted="2000000")
    publisher.confirm(30)

    dry = run(topics, "dead-letters", "replay", "--dry-run")
    assert dry.exit_code == 0
    assert f"would send 1 to {payments} (bad-vpa)" in dry.stdout
    assert everything(topics, payments) == []

    result = run(topics, "dead-letters", "replay", "--reason", "time-in-future")
    assert result.exit_code == 0
    assert f"sent 1 to {payments} (time-in-future)" in result.stdout
    (record,) = everything(topics, payments)
    assert (record.key(), record.value()) == (b"\xffkey", b"one")
    assert record.headers() == [("trace", b"\x00"), ("reason", b"the producer's")]
    (record,) = everything(topics, outcomes)
    assert record.value() is None

    everywhere = run(topics, "dead-letters", "replay")
    assert "value was too large" in everywhere.stderr
    assert sorted(record.value() for record in everything(topics, payments)) == [b"one", b"one", b"two"]


def test_replay_since_leaves_older_letters(topics: dict[str, str], publisher: Publisher) -> None:
    bury(publisher, topics["UPIFRAUD_TOPIC_TRANSACTIONS"], b"old")
    publisher.confirm(30)
    later = str(int(time.time() * 1000) + 60_000)
    result = run(topics, "dead-letters", "replay", "--since", later)
    assert (result.exit_code, result.stdout) == (0, "nothing to send\n")


def test_an_unknown_reason_is_a_usage_error(topics: dict[str, str]) -> None:
    result = run(topics, "dead-letters", "replay", "--reason", "bad")
    assert result.exit_code == 2
    assert "bad-vpa" in result.stderr
