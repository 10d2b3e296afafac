"""What librdkafka is told: the options without which records would be lost or skipped."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, KafkaError, Producer

from stream.errors import SendRefusedError
from stream.kafka import kafka_errors
from stream.kafka.config import FETCH_BYTES, client_config, consumer_config, is_cooperative
from stream.settings import Settings, read_settings


def test_offsets_are_committed_and_reset_by_nobody_but_the_transport():
    config = consumer_config(Settings(consumer_group="upi-fraud-stream"))
    assert config["enable.auto.commit"] is False
    assert config["enable.auto.offset.store"] is False
    assert config["auto.offset.reset"] == "error"
    assert config["group.id"] == "upi-fraud-stream"
    assert config["fetch.queue.backoff.ms"] == 5


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_librdkafka_accepts_the_options(protocol):
    settings = read_settings(
        {"UPIFRAUD_KAFKA_GROUP_PROTOCOL": protocol, "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    )
    Consumer(consumer_config(settings)).close()
    Producer(client_config(settings)).flush(0)


def test_one_answer_to_a_fetch_is_small_for_it_may_inflate_a_thousandfold():
    config = consumer_config(Settings())
    assert config["fetch.max.bytes"] * 1032 < 512 * 2**20
    assert config["max.partition.fetch.bytes"] == config["fetch.max.bytes"]


def test_whoever_wants_larger_fetches_gets_them():
    config = consumer_config(read_settings({"UPIFRAUD_KAFKA_CONF_FETCH_MAX_BYTES": "4194304"}))
    assert (config["fetch.max.bytes"], config["max.partition.fetch.bytes"]) == ("4194304", "4194304")
    Consumer(config).close()


def fetching(settings, *, gathers=True):
    config = consumer_config(settings, gathers=gathers)
    return config["fetch.min.bytes"], config["fetch.wait.max.ms"]


def test_brokers_gather_where_micro_batches_are_paced_and_answer_at_once_where_they_are_not():
    assert fetching(Settings()) == (100_000, 3)
    assert fetching(Settings(pace_seconds=0.0)) == (1, 100)
    assert fetching(Settings(), gathers=False) == (1, 100), "nobody waits for outcomes"


def test_how_brokers_gather_can_be_set_whatever_the_pace():
    chosen = {"UPIFRAUD_KAFKA_FETCH_MIN_BYTES": "500", "UPIFRAUD_KAFKA_FETCH_WAIT_SECONDS": "0.02"}
    for settings in (read_settings(chosen), read_settings({**chosen, "UPIFRAUD_PACE_SECONDS": "0"})):
        assert fetching(settings) == fetching(settings, gathers=False) == (500, 20)


def test_a_producers_limit_does_not_make_fetches_larger():
    config = consumer_config(read_settings({"UPIFRAUD_KAFKA_CONF_MESSAGE_MAX_BYTES": "9000000"}))
    assert config["message.max.bytes"] == config["fetch.max.bytes"] == FETCH_BYTES
    Consumer(config).close()


def test_security_and_options_of_your_own_reach_every_client():
    settings = read_settings(
        {
            "UPIFRAUD_KAFKA_SECURITY_PROTOCOL": "sasl_ssl",
            "UPIFRAUD_KAFKA_SASL_MECHANISM": "scram-sha-512",
            "UPIFRAUD_KAFKA_SASL_USERNAME": "worker",
            "UPIFRAUD_KAFKA_SASL_PASSWORD": "secret",
            "UPIFRAUD_KAFKA_SSL_CA_LOCATION": "/etc/ca.pem",
            "UPIFRAUD_KAFKA_CONF_SOCKET_TIMEOUT_MS": "20000",
        }
    )
    for config in (client_config(settings), consumer_config(settings)):
        assert config["security.protocol"] == "SASL_SSL"
        assert config["sasl.mechanism"] == "SCRAM-SHA-512"
        assert (config["sasl.username"], config["sasl.password"]) == ("worker", "secret")
        assert config["ssl.ca.location"] == "/etc/ca.pem"
        assert "ssl.key.location" not in config
        assert config["socket.timeout.ms"] == "20000"


def test_only_eager_protocols_stop_the_world():
    assert is_cooperative(Settings())
    assert not is_cooperative(Settings(kafka_assignment="roundrobin"))
    assert is_cooperative(Settings(kafka_assignment="roundrobin", kafka_group_protocol="consumer"))


@pytest.mark.parametrize(
    "code", ["ILLEGAL_GENERATION", "REBALANCE_IN_PROGRESS", "UNKNOWN_MEMBER_ID", "_TRANSPORT", "UNKNOWN_TOPIC_OR_PART"]
)
def test_errors_of_a_moving_group_or_an_absent_server_pass(code):
    assert kafka_errors.passes(KafkaError(getattr(KafkaError, code)))


@pytest.mark.parametrize(
    "code",
    ["GROUP_AUTHORIZATION_FAILED", "TOPIC_AUTHORIZATION_FAILED", "OFFSET_METADATA_TOO_LARGE", "_AUTO_OFFSET_RESET"],
)
def test_errors_that_somebody_must_cure_do_not_pass(code):
    assert not kafka_errors.passes(KafkaError(getattr(KafkaError, code)))


def test_a_fatal_error_of_librdkafka_never_passes():
    assert not kafka_errors.passes(KafkaError(KafkaError._TRANSPORT, "fenced", fatal=True))


def test_an_error_without_words_says_what_its_kind_is():
    assert str(SendRefusedError()).startswith("Faust was asked to send a record")
