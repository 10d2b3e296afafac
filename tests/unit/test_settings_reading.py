"""Settings: what is read from an environment, what is refused and how, what is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.errors import SettingsError
from stream.settings import DEVELOPMENT_IDENTITY_KEY, RESERVED_KAFKA_CONF, Settings, describe, read_settings

KEY = "00112233445566778899aabbccddeeff"


def test_an_empty_environment_gives_the_defaults_and_warns_of_the_public_key():
    settings = read_settings({})
    assert settings == Settings(warnings=settings.warnings)
    assert settings.consumer_group == "upi-fraud-stream"
    assert settings.metrics_port == 9464
    assert settings.alerts_include_allow is False
    assert settings.replica_cache_bytes == 256 * 2**20
    assert settings.identity_key == DEVELOPMENT_IDENTITY_KEY
    assert [warning.split()[0] for warning in settings.warnings] == ["UPIFRAUD_IDENTITY_KEY"]


def test_every_kind_of_value_is_read():
    settings = read_settings(
        {
            "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": "a:1,b:2",
            "UPIFRAUD_MODEL_DIR": "/models/7",
            "UPIFRAUD_METRICS_PORT": "0",
            "UPIFRAUD_ALERTS_INCLUDE_ALLOW": "True",
            "UPIFRAUD_LOG_LEVEL": "debug",
            "UPIFRAUD_KAFKA_ASSIGNMENT": "roundrobin",
            "UPIFRAUD_DRAIN_SECONDS": "0.5",
            "UPIFRAUD_IDENTITY_KEY": KEY,
        }
    )
    assert settings.kafka_bootstrap_servers == "a:1,b:2"
    assert settings.model_dir == Path("/models/7")
    assert (settings.metrics_port, settings.alerts_include_allow, settings.log_level) == (0, True, "DEBUG")
    assert (settings.kafka_assignment, settings.drain_seconds) == ("roundrobin", 0.5)
    assert settings.identity_key == bytes.fromhex(KEY)
    assert settings.warnings == ()


def test_an_empty_variable_counts_as_unset():
    assert read_settings({"UPIFRAUD_METRICS_PORT": "", "UPIFRAUD_REDIS_URL": ""}).metrics_port == 9464


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("METRICS_PORT", "high", "a whole number from 0 to 65,535"),
        ("METRICS_PORT", "70000", "a whole number from 0 to 65,535"),
        ("ALERTS_INCLUDE_ALLOW", "maybe", "true or false"),
        ("REDIS_URL", "http://x", "redis://... or rediss://... or unix://..."),
        ("POSTGRES_URL", "localhost", "postgresql://... or postgres://..."),
        ("LOG_LEVEL", "loud", "one of DEBUG, INFO, WARNING, ERROR"),
        ("KAFKA_ASSIGNMENT", "sticky", "one of cooperative-sticky, roundrobin, range"),
        ("DRAIN_SECONDS", "nan", "seconds from 0 to 240"),
        ("IDENTITY_KEY", "abcd", "32 hexadecimal digits (16 bytes)"),
        ("EARLIEST_TIME", "2015", "a time from 1970 on, as 2015-01-01T00:00:00Z or 2015-01-01"),
        ("EARLIEST_TIME", "2015-01-01T00:00:00", "a time from 1970 on, as 2015-01-01T00:00:00Z or 2015-01-01"),
        ("EARLIEST_TIME", "1969-12-31", "a time from 1970 on, as 2015-01-01T00:00:00Z or 2015-01-01"),
        ("MICRO_BATCH_RECORDS", "0", "a whole number from 1 to 1,000,000"),
        *(
            ("HOLD_FOR", text, "0, or a duration of up to 30d, as 45s, 30m, 12h or 7d")
            for text in ("60", "1", "h", "1.5h", "-1h", "1w", "31d", "721h", " ", "1 h x", "0h0")
        ),
        ("HOLD_EXPIRY", "block", "one of RELEASE, REJECT"),
        ("ALERTS_ALLOW_REASONS", "some", "one of codes, none, full"),
    ],
)
def test_an_error_names_the_variable_what_was_expected_and_what_came(name, text, expected):
    with pytest.raises(SettingsError) as error:
        read_settings({f"UPIFRAUD_{name}": text})
    message = str(error.value)
    assert message.startswith(f"UPIFRAUD_{name}: expected {expected}, got ")
    secret = name in {"REDIS_URL", "POSTGRES_URL", "IDENTITY_KEY"}
    assert (text in message) is not secret, "a mistyped secret must not end in a log"


@pytest.mark.parametrize(
    ("text", "epoch_ms", "shown"),
    [
        ("2015-01-01", 1_420_070_400_000, "2015-01-01T00:00:00Z"),
        ("2015-01-01T05:30:00+05:30", 1_420_070_400_000, "2015-01-01T00:00:00Z"),
        ("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"),
        ("1999-12-31T23:59:59.5Z", 946_684_799_500, "1999-12-31T23:59:59.500000Z"),
    ],
)
def test_a_time_is_a_date_or_rfc_3339_and_is_shown_as_it_may_be_set(text, epoch_ms, shown):
    settings = read_settings({"UPIFRAUD_EARLIEST_TIME": text})
    assert settings.earliest_time == epoch_ms
    (listed,) = [one for one in describe(settings) if one.variable == "UPIFRAUD_EARLIEST_TIME"]
    assert (listed.value, listed.default) == (shown, "2015-01-01T00:00:00Z")
    assert read_settings({"UPIFRAUD_EARLIEST_TIME": shown}).earliest_time == epoch_ms


@pytest.mark.parametrize(
    ("text", "ms", "shown"),
    [
        ("0", 0, "0"),
        ("0s", 0, "0"),
        ("90s", 90_000, "90s"),
        ("30m", 1_800_000, "30m"),
        ("90m", 5_400_000, "90m"),
        ("24H", 86_400_000, "1d"),
        ("30d", 2_592_000_000, "30d"),
    ],
)
def test_a_duration_is_a_number_with_a_unit_and_is_shown_as_it_may_be_set(text, ms, shown):
    settings = read_settings({"UPIFRAUD_HOLD_FOR": text})
    assert settings.hold_for == ms
    (listed,) = [one for one in describe(settings) if one.variable == "UPIFRAUD_HOLD_FOR"]
    assert (listed.value, listed.default) == (shown, "1h")
    assert read_settings({"UPIFRAUD_HOLD_FOR": shown}).hold_for == ms


def test_a_secret_may_come_from_a_mounted_file(tmp_path):
    mounted = tmp_path / "key"
    mounted.write_text(KEY + "\n")
    assert read_settings({"UPIFRAUD_IDENTITY_KEY_FILE": str(mounted)}).identity_key == bytes.fromhex(KEY)


def test_a_secret_given_twice_or_in_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="both set"):
        read_settings({"UPIFRAUD_IDENTITY_KEY": KEY, "UPIFRAUD_IDENTITY_KEY_FILE": "/key"})
    with pytest.raises(
        SettingsError, match=r"UPIFRAUD_POSTGRES_URL_FILE: expected a readable text file, got '/no/where'"
    ):
        read_settings({"UPIFRAUD_POSTGRES_URL_FILE": "/no/where"})


def test_options_of_librdkafka_are_passed_on():
    settings = read_settings({"UPIFRAUD_KAFKA_CONF_SOCKET_KEEPALIVE_ENABLE": "true"})
    assert settings.kafka_conf == {"socket.keepalive.enable": "true"}


@pytest.mark.parametrize("option", RESERVED_KAFKA_CONF)
def test_options_that_the_worker_depends_on_are_refused_with_the_way_out(option):
    variable = f"UPIFRAUD_KAFKA_CONF_{option.upper().replace('.', '_')}"
    with pytest.raises(SettingsError, match=f"{variable} cannot be set: "):
        read_settings({variable: "x"})


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(SettingsError, match="UPIFRAUD_KAFKA_HEARTBEAT_SECONDS: expected at most a third"):
        read_settings({"UPIFRAUD_KAFKA_HEARTBEAT_SECONDS": "3"})
    with pytest.raises(SettingsError, match="UPIFRAUD_KAFKA_SASL_MECHANISM"):
        read_settings({"UPIFRAUD_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"})
    with pytest.raises(SettingsError, match="UPIFRAUD_KAFKA_SECURITY_PROTOCOL"):
        read_settings({"UPIFRAUD_KAFKA_SASL_MECHANISM": "PLAIN"})


def test_a_variable_that_nothing_reads_is_warned_of_with_the_nearest_name():
    settings = read_settings({"UPIFRAUD_IDENTITY_KEY": KEY, "UPIFRAUD_REDIS_URI": "redis://x", "HOME": "/"})
    assert settings.warnings == ("UPIFRAUD_REDIS_URI is not a setting; did you mean UPIFRAUD_REDIS_URL?",)


def test_no_secret_is_shown_in_a_listing_or_a_representation():
    settings = read_settings(
        {
            "UPIFRAUD_REDIS_URL": "rediss://worker:hunter2@redis:6380/0",
            "UPIFRAUD_POSTGRES_URL": "postgresql://postgres/upifraud?user=worker&password=hunter2",
            "UPIFRAUD_IDENTITY_KEY": KEY,
            "UPIFRAUD_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "UPIFRAUD_KAFKA_SASL_MECHANISM": "PLAIN",
            "UPIFRAUD_KAFKA_SASL_USERNAME": "worker",
            "UPIFRAUD_KAFKA_SASL_PASSWORD": "hunter2",
            "UPIFRAUD_KAFKA_CONF_SASL_OAUTHBEARER_CLIENT_SECRET": "hunter2",
        }
    )
    shown = repr(settings) + "".join(f"{one.variable} {one.value} {one.default}" for one in describe(settings))
    assert "hunter2" not in shown
    assert KEY not in shown
    assert "rediss://worker:********@redis:6380/0" in shown


def test_the_listing_has_every_setting_of_the_interface_with_its_default():
    listed = {one.variable: one for one in describe(read_settings({}))}
    interface = {
        "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS", "UPIFRAUD_REDIS_URL", "UPIFRAUD_POSTGRES_URL", "UPIFRAUD_MODEL_DIR",
        "UPIFRAUD_CONSUMER_GROUP", "UPIFRAUD_METRICS_PORT", "UPIFRAUD_ALERTS_INCLUDE_ALLOW", "UPIFRAUD_LOG_LEVEL",
        "UPIFRAUD_ALERTS_ALLOW_REASONS", "UPIFRAUD_HOLD_FOR", "UPIFRAUD_HOLD_EXPIRY", "UPIFRAUD_TOPIC_RESOLUTIONS",
    }  # fmt: skip
    assert interface <= set(listed)
    assert all(one.is_default and one.about.endswith(".") for one in listed.values())
