"""No part of a password is in an error, a listing or the doctor's findings, and one line says what to encode."""

from __future__ import annotations

import string
import traceback

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from redis.connection import parse_url

from local.doctor import _bare
from stream.errors import SettingsError
from stream.server_url import TO_ENCODE, without_secrets
from stream.settings import describe, read_settings
from upifraud.cli import main
from upifraud.local_stack import without_password

PASSWORDS = [
    "S3cr/et:p",
    "Tr0ub?dor",
    "p#nd",
    "Tr0ub%dor",
    "at@home",
    "12/34",
    "12?x=9",
    "12#34",
    "br[ack]et",
    "a b",
    "℀x",
]
VARIABLES = {
    "UPIFRAUD_REDIS_URL": "redis://{}:{}@127.0.0.1:6379/0",
    "UPIFRAUD_POSTGRES_URL": "postgresql://{}:{}@h:5432/x",
}
REDIS, POSTGRES = VARIABLES


def read(variable: str, url: str) -> str:
    """Return the settings' value, or raise what a user sees; neither it nor its traceback may have the password."""
    settings = read_settings({variable: url})
    return settings.redis_url if variable == REDIS else settings.postgres_url


def understood(variable: str, url: str) -> tuple[str, str]:
    """Return the user and the password as the client itself reads them."""
    found = parse_url(url) if variable == REDIS else conninfo_to_dict(url)
    return str(found.get("username", found.get("user"))), str(found.get("password"))


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("user", ["me", ""])
@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_that_needs_encoding_is_refused_without_a_word_of_it(
    variable: str, user: str, password: str
) -> None:
    if variable == REDIS and "%" in password:
        assert understood(variable, read(variable, VARIABLES[variable].format("me", password))) == ("me", password)
        return
    with pytest.raises(SettingsError) as refused:
        read(variable, VARIABLES[variable].format(user, password))
    message = str(refused.value)
    assert message.startswith(f"{variable}: expected ")
    assert TO_ENCODE in message
    assert "\n" not in message
    told = "".join(traceback.format_exception(refused.value))
    source = {"12/34", "a b"}  # too short to tell from what the message says itself
    assert password in source or password not in told


@given(
    variable=st.sampled_from(list(VARIABLES)),
    user=st.text(string.ascii_letters, min_size=1, max_size=4),
    password=st.text(string.ascii_letters + string.digits + "%/?#@:[]&=+,;~!$'()*.-_ ", min_size=1, max_size=8),
)
def test_what_is_accepted_is_read_by_the_client_as_it_was_meant(variable: str, user: str, password: str) -> None:
    try:
        url = read(variable, VARIABLES[variable].format(user, password))
    except SettingsError:
        return
    meant = password if "%" not in password else understood(variable, url)[1]
    assert understood(variable, url) == (user, meant)
    assert _bare(url) in {"127.0.0.1:6379/0", "h:5432/x"}
    assert without_secrets(url) == VARIABLES[variable].format(user, "********")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///x?host=/run/postgresql", "postgresql://%2Frun%2Fpostgresql/x", "postgresql://a:1,b:2,[::1]:3/x",
        "postgres://u:p%40%2F@h/x?sslmode=verify-full&target_session_attrs=read-write", "postgresql://u@h?options=-c%20a",
        "postgresql://u:p:q@h:/x",
    ],
)  # fmt: skip
def test_urls_of_postgres_that_can_be_read_are_taken(url: str) -> None:
    assert read(POSTGRES, url) == url
    conninfo_to_dict(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "rediss://:p%2Fq@[::1]:6380/0?ssl_cert_reqs=required",
        "unix:///run/redis.sock?db=1",
        "redis://u:p@h/0",
    ],
)
def test_urls_of_redis_that_can_be_read_are_taken(url: str) -> None:
    assert read(REDIS, url) == url
    parse_url(url)


def test_a_port_that_is_none_is_told() -> None:
    for variable in VARIABLES:
        scheme = VARIABLES[variable].partition(":")[0]
        for port in ("notaport", "0", "65536", "1:2"):
            with pytest.raises(SettingsError, match=f"{variable}.*its port is no number from 1 to 65535"):
                read(variable, f"{scheme}://localhost:{port}/0")


@pytest.mark.parametrize("command", ["worker", "doctor", "rebuild-features", "migrate", "export", "up", "status"])
@pytest.mark.parametrize("variable", VARIABLES)
def test_commands_say_it_in_a_line(variable: str, command: str, tmp_path) -> None:
    environment = {variable: VARIABLES[variable].format("me", "hun/ter:two"), "UPIFRAUD_METRICS_PORT": "0"}
    more = {"export": ["verdicts", "--out", "x"], "doctor": ["--state-dir", str(tmp_path)]}
    more |= {name: ["--state-dir", str(tmp_path)] for name in ("up", "status")}
    result = CliRunner().invoke(main, [command, *more.get(command, [])], env=environment)
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1
    assert "hun" not in result.output
    assert "ter:two" not in result.output
    assert f"{variable}: expected" in result.output


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        (POSTGRES, "postgresql://h/x?hunter=two"),
        (POSTGRES, "postgresql://u:1?hunter=two"),
        (REDIS, "redis://h/0?hunter=two"),
        (REDIS, "redis://h/0?socket_timeout=hunter"),
    ],
)
@pytest.mark.parametrize("command", ["worker", "doctor"])
def test_options_that_a_client_does_not_know_are_told_in_a_line(variable: str, url: str, command: str) -> None:
    closed = {"UPIFRAUD_REDIS_URL": "redis://127.0.0.1:1/0", "UPIFRAUD_METRICS_PORT": "0"}
    if variable == POSTGRES and command == "worker":
        command = "migrate"  # a worker waits for Redis first
    result = CliRunner().invoke(main, [command], env=closed | {variable: url})
    assert isinstance(result.exception, SystemExit), result.exception
    assert "hunter" not in result.output
    assert "two" not in result.output


def test_passwords_among_options_are_shown_nowhere() -> None:
    url = "postgresql://u:first@h/x?password=second&sslpassword=third&sslmode=require"
    shown = [without_secrets(url), without_password(url), _bare(url)]
    assert not [text for text in shown for secret in ("first", "second", "third") if secret in text]
    assert "sslmode=require" in shown[0]


def test_options_of_librdkafka_that_hold_secrets_are_masked() -> None:
    secret = {
        "SASL_OAUTHBEARER_CONFIG", "SASL_JAAS_CONFIG", "SSL_KEY_PEM", "SASL_OAUTHBEARER_CLIENT_SECRET",
        "SSL_KEYSTORE_PASSWORD", "SASL_KERBEROS_KINIT_CMD", "SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_PASSPHRASE",
    }  # fmt: skip
    settings = read_settings(
        {f"UPIFRAUD_KAFKA_CONF_{name}": "hunter2" for name in (*secret, "SASL_KERBEROS_PRINCIPAL")}
    )
    shown = {one.variable.removeprefix("UPIFRAUD_KAFKA_CONF_"): one.value for one in describe(settings)}
    assert {name for name, value in shown.items() if value == "hunter2"} == {"SASL_KERBEROS_PRINCIPAL"}


@pytest.mark.parametrize("command", [["alerts"], ["dead-letters", "list"], ["worker"], ["rewind", "--to", "now"]])
@pytest.mark.parametrize("option", [{"FOO": "hunter2"}, {"FETCH_MAX_BYTES": "hunter2"}, {"FETCH_MAX_BYTES": "1000"}])
def test_options_that_librdkafka_refuses_are_told_in_a_line(command: list[str], option: dict[str, str]) -> None:
    environment = {f"UPIFRAUD_KAFKA_CONF_{name}": value for name, value in option.items()}
    closed = {"UPIFRAUD_REDIS_URL": "redis://127.0.0.1:1/0", "UPIFRAUD_METRICS_PORT": "0"}
    result = CliRunner().invoke(main, command, env=closed | environment)
    assert isinstance(result.exception, SystemExit), result.exception
    assert "Expected options that Kafka's client takes" in result.output
    assert "hunter2" not in result.output
