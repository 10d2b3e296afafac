"""The settings of the program: one frozen, validated object, and the only reader of the environment.

Every field is one variable, `UPIFRAUD_` and the field's name in capitals. A secret can also come from a mounted file
whose path is in the variable with `_FILE` behind it. An empty variable counts as unset. Kafka options that have no
variable of their own go in as `UPIFRAUD_KAFKA_CONF_<NAME>`, librdkafka's name in capitals with underscores for dots.
"""

from __future__ import annotations

import dataclasses
import difflib
import logging
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from stream.errors import SettingsError
from stream.server_url import UnreadableUrlError, without_secrets
from stream.setting_kinds import (
    FLAG,
    PATH,
    PATH_TEXT,
    TEXT,
    Kind,
    choice,
    duration_ms,
    epoch_ms,
    hex_bytes,
    integer,
    networks,
    seconds,
    url,
)
from stream.wire import EARLIEST_TIME_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PREFIX = "UPIFRAUD_"
KAFKA_CONF_PREFIX = f"{PREFIX}KAFKA_CONF_"
_FILE = "_FILE"

DEVELOPMENT_IDENTITY_KEY = bytes(range(16))
"""The key that identities are hashed with where none is set. It is public: hashes under it can be guessed."""

MAX_POLL_INTERVAL_SECONDS = 300
"""How long the group waits for a member that does not poll, and so the limit of a rebalance."""

RESERVED_KAFKA_CONF: Mapping[str, str] = MappingProxyType(
    {
        "bootstrap.servers": f"set {PREFIX}KAFKA_BOOTSTRAP_SERVERS",
        "group.id": f"set {PREFIX}CONSUMER_GROUP",
        "group.protocol": f"set {PREFIX}KAFKA_GROUP_PROTOCOL",
        "partition.assignment.strategy": f"set {PREFIX}KAFKA_ASSIGNMENT",
        "session.timeout.ms": f"set {PREFIX}KAFKA_SESSION_TIMEOUT_SECONDS",
        "heartbeat.interval.ms": f"set {PREFIX}KAFKA_HEARTBEAT_SECONDS",
        "fetch.min.bytes": f"set {PREFIX}KAFKA_FETCH_MIN_BYTES",
        "fetch.wait.max.ms": f"set {PREFIX}KAFKA_FETCH_WAIT_SECONDS",
        "enable.auto.commit": "offsets are committed only after all effects of a record",
        "enable.auto.offset.store": "offsets are committed only after all effects of a record",
        "auto.offset.reset": "an offset out of range must stop the worker, not skip records",
        "enable.partition.eof": "the worker needs it, or lag would stay behind the marks of transactions",
        "max.poll.interval.ms": "the drain bound depends on it",
    }
)


def setting(kind: Kind, default: Any, about: str, *, secret: bool = False) -> Any:
    """Declare a field of Settings: its kind, its default, and a sentence that says what it is for."""
    metadata = {"kind": kind, "about": about, "secret": secret}
    return dataclasses.field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set, validated as a whole; SettingsError names the variable that is wrong."""

    kafka_bootstrap_servers: str = setting(TEXT, "127.0.0.1:9092", "Kafka brokers to ask first, host:port,host:port.")
    redis_url: str = setting(
        url("redis", "rediss", "unix"), "redis://127.0.0.1:6379/0", "Online store of the entity logs.", secret=True
    )
    postgres_url: str = setting(
        url("postgresql", "postgres"), "postgresql://127.0.0.1:5432/upifraud", "Verdict store.", secret=True
    )
    model_dir: Path | None = setting(  # noqa: RUF009 - declares a field, as dataclasses.field does
        PATH, None, "Artifact to score with; unset means the one that ships."
    )
    consumer_group: str = setting(TEXT, "upi-fraud-stream", "Consumer group of both topics, named exactly so.")
    identity_key: bytes = setting(
        hex_bytes(16), DEVELOPMENT_IDENTITY_KEY, "Key that VPAs and device ids are hashed with.", secret=True
    )
    party_identity: str = setting(
        choice("vpa", "account"), "vpa", "What a party's logs are kept by; account: by its VPA where that is unknown."
    )
    alerts_include_allow: bool = setting(FLAG, False, "Whether ALLOW verdicts go to the alerts topic too.")  # noqa: FBT003 - the default of the setting
    alerts_allow_reasons: str = setting(
        choice("codes", "none", "full"),
        "codes",
        "What the reasons of an ALLOW's alert have: feature, code and contribution; nothing; everything.",
    )
    hold_for: int = setting(
        duration_ms("30d"), 3_600_000, "Time from decided_at to the end of a HOLD; 0: it has no end."
    )
    hold_expiry: str = setting(
        choice("RELEASE", "REJECT"), "RELEASE", "What the end of a HOLD means for the switch. Set it alike everywhere."
    )
    metrics_port: int = setting(integer(0, 65535), 9464, "Port of /metrics, /healthz and /readyz; 0 takes a free one.")
    metrics_host: str = setting(TEXT, "0.0.0.0", "Address that the metrics port is bound to.")  # noqa: S104 - probes and Prometheus come from other hosts
    log_level: str = setting(choice("DEBUG", "INFO", "WARNING", "ERROR"), "INFO", "Least severe message logged.")

    topic_transactions: str = setting(TEXT, "transactions", "Topic of payments; dead letters go to NAME.dead-letter.")
    topic_outcomes: str = setting(TEXT, "outcomes", "Topic of outcomes; dead letters go to NAME.dead-letter.")
    topic_alerts: str = setting(TEXT, "alerts", "Topic of alerts.")
    topic_resolutions: str = setting(TEXT, "resolutions", "Topic of how HOLDs ended.")

    api_host: str = setting(TEXT, "0.0.0.0", "Address that the API's port is bound to.")  # noqa: S104 - callers come from other hosts
    api_port: int = setting(integer(0, 65535), 8000, "Port of the API; 0 takes a free one.")
    api_waiting: int = setting(
        integer(1, 1_000_000), 20_000, "Payments whose verdicts an API process waits for at most; beyond: 503."
    )
    api_rate: int = setting(
        integer(1, 1_000_000), 2_000, "Requests a second of a key without a rate of its own, in each API process."
    )
    api_ingress: tuple[str, ...] = setting(
        networks(), (), "Whence `ssl-client-subject-dn` is believed: the Ingress's own addresses. Unset: from nobody."
    )
    api_redis_url: str | None = setting(
        url("redis", "rediss", "unix"),
        None,
        "A replica of the online store that what-ifs may read, a moment behind; unset: they read the store itself.",
        secret=True,
    )
    api_replica_bytes: int = setting(
        integer(2**20, 2**40), 64 * 2**20, "Bytes of entity logs that an API process may keep for what-ifs."
    )

    earliest_time: int = setting(
        epoch_ms(),
        EARLIEST_TIME_MS,
        "Payments and outcomes of an earlier event_time or reported_at are dead letters: seconds for milliseconds.",
    )

    kafka_security_protocol: str = setting(
        choice("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"), "PLAINTEXT", "How connections to Kafka are secured."
    )
    kafka_sasl_mechanism: str | None = setting(
        choice("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI", "OAUTHBEARER"), None, "SASL mechanism."
    )
    kafka_sasl_username: str | None = setting(TEXT, None, "SASL user name.")
    kafka_sasl_password: str | None = setting(TEXT, None, "SASL password.", secret=True)
    kafka_ssl_ca_location: str | None = setting(PATH_TEXT, None, "Certificates of the authorities that are trusted.")
    kafka_ssl_certificate_location: str | None = setting(PATH_TEXT, None, "Client certificate.")
    kafka_ssl_key_location: str | None = setting(PATH_TEXT, None, "Private key of the client certificate.")
    kafka_ssl_key_password: str | None = setting(TEXT, None, "Password of the private key.", secret=True)

    kafka_assignment: str = setting(
        choice("cooperative-sticky", "roundrobin", "range"),
        "cooperative-sticky",
        "How partitions are shared out; roundrobin for the embedded broker. Changing it needs all workers stopped.",
    )
    kafka_group_protocol: str = setting(
        choice("classic", "consumer"), "classic", "consumer is KIP-848: the broker then sets session and heartbeat."
    )
    kafka_session_timeout_seconds: float = setting(
        seconds(1, 1800), 6.0, "Silence after which a worker is dead and its partitions move."
    )
    kafka_heartbeat_seconds: float = setting(seconds(0.1, 600), 0.5, "Time between heartbeats.")
    kafka_fetch_min_bytes: int | None = setting(
        integer(1, 2**30), None, "Bytes that a broker gathers before it answers a fetch; by UPIFRAUD_PACE_SECONDS."
    )
    kafka_fetch_wait_seconds: float | None = setting(
        seconds(0.001, 300), None, "How long a broker gathers at most; by UPIFRAUD_PACE_SECONDS."
    )

    micro_batch_records: int = setting(integer(1, 1_000_000), 2048, "Records of a micro-batch at most.")
    micro_batch_bytes: int = setting(
        integer(2**16, 2**30), 8 * 2**20, "Bytes of a micro-batch's values and keys at most; one record always fits."
    )
    micro_batches_in_flight: int = setting(integer(1, 16), 3, "Micro-batches at work at the same time.")
    pace_seconds: float = setting(
        seconds(0, 1), 0.008, "Least time between the starts of small micro-batches: 0 for least latency, at more CPU."
    )
    commit_interval_seconds: float = setting(seconds(0.05, 60), 1.0, "Time between offset commits.")
    pause_after_seconds: float = setting(
        seconds(0.1, 60), 2.0, "Without room for so long, partitions are paused and polling goes on."
    )
    drain_seconds: float = setting(
        seconds(0, 240), 20.0, "Longest wait for work in flight when partitions are revoked or the worker stops."
    )
    stall_seconds: float = setting(
        seconds(1, 3600), 60.0, "Liveness fails after so long without progress while there is lag."
    )
    rebalance_limit_seconds: float = setting(seconds(1, 3600), 120.0, "Liveness fails after so long in a rebalance.")
    replica_cache_bytes: int = setting(integer(0, 2**40), 256 * 2**20, "Bytes that a worker may keep of entity logs.")

    kafka_conf: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    """Further options of librdkafka, for the consumer and the producer."""

    warnings: tuple[str, ...] = ()
    """What the environment has that is probably not meant; for the program to log when it starts."""

    def __post_init__(self) -> None:
        self._validate_group()
        self._validate_security()
        for option, what_to_do in RESERVED_KAFKA_CONF.items():
            if option in self.kafka_conf:
                raise SettingsError(f"{_conf_variable(option)} cannot be set: {what_to_do}.")

    def _validate_group(self) -> None:
        if self.kafka_heartbeat_seconds * 3 > self.kafka_session_timeout_seconds:
            raise SettingsError(
                f"{variable('kafka_heartbeat_seconds')}: expected at most a third of "
                f"{variable('kafka_session_timeout_seconds')} ({self.kafka_session_timeout_seconds:g}), got "
                f"{self.kafka_heartbeat_seconds:g}: one lost heartbeat would cost the worker its partitions."
            )
        if not self.consumer_group.strip():
            raise SettingsError(f"{variable('consumer_group')}: expected a name, got only white space.")

    def _validate_security(self) -> None:
        sasl = self.kafka_security_protocol.startswith("SASL")
        if sasl and self.kafka_sasl_mechanism is None:
            raise SettingsError(
                f"{variable('kafka_sasl_mechanism')}: expected one with {self.kafka_security_protocol}, got none."
            )
        if not sasl and self.kafka_sasl_mechanism is not None:
            raise SettingsError(
                f"{variable('kafka_security_protocol')}: expected SASL_SSL or SASL_PLAINTEXT with a SASL mechanism, "
                f"got {self.kafka_security_protocol}: the password would not be used."
            )


def variable(field: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + field.upper()


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read all settings from an environment.

    Raises SettingsError that names the variable, what was expected and what came. What is merely suspicious, such as a
    variable with our prefix that nothing reads, ends in `warnings`.
    """
    values: dict[str, Any] = {}
    known = set()
    for field in _declared():
        name = variable(field.name)
        known |= {name, name + _FILE} if field.metadata["secret"] else {name}
        text = _text(environ, name, secret=field.metadata["secret"])
        if text is not None:
            values[field.name] = _parse(name, text, field)
    values["kafka_conf"] = {
        name.removeprefix(KAFKA_CONF_PREFIX).lower().replace("_", "."): text
        for name, text in environ.items()
        if name.startswith(KAFKA_CONF_PREFIX) and text
    }
    strangers = [name for name in environ if name.startswith(PREFIX) and name not in known]
    unknown = sorted(name for name in strangers if not name.startswith(KAFKA_CONF_PREFIX))
    values["warnings"] = tuple(_warnings(values, unknown, known))
    return Settings(**values)


@dataclass(frozen=True, slots=True)
class Described:
    """One setting as a person reads it; secrets are masked."""

    variable: str
    about: str
    expected: str
    default: str
    value: str
    is_default: bool


def describe(settings: Settings) -> Iterator[Described]:
    """Yield every setting with its default and its value, secrets masked."""
    for field in _declared():
        value, secret = getattr(settings, field.name), field.metadata["secret"]
        name, about = variable(field.name), field.metadata["about"]
        yield Described(
            variable=name,
            about=f"{about} Or {name}{_FILE}: a file that holds it." if secret else about,
            expected=field.metadata["kind"].expected,
            default=_shown(field.default, field.metadata["kind"].show, secret=False),
            value=_shown(value, field.metadata["kind"].show, secret=secret and value != field.default),
            is_default=value == field.default,
        )
    for option, value in sorted(settings.kafka_conf.items()):
        shown = "********" if is_secret_option(option) else value
        yield Described(_conf_variable(option), f"librdkafka's {option}.", TEXT.expected, "", shown, is_default=False)


def is_secret_option(option: str) -> bool:
    """Tell whether the value of an option of librdkafka may hold a password or a key, and must not be shown."""
    named = any(word in option for word in ("pass", "secret", "key", "token", "assertion", "jaas", "kinit.cmd"))
    return named or option == "sasl.oauthbearer.config"


def level_number(settings: Settings) -> int:
    """Return the log level as the logging module counts it."""
    return logging.getLevelNamesMapping()[settings.log_level]


def _declared() -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(Settings) if "kind" in field.metadata]


def _conf_variable(option: str) -> str:
    return KAFKA_CONF_PREFIX + option.upper().replace(".", "_")


def _text(environ: Mapping[str, str], name: str, *, secret: bool) -> str | None:
    text, path = environ.get(name), environ.get(name + _FILE) if secret else None
    if text and path:
        raise SettingsError(f"{name} and {name}{_FILE} are both set: expected one of them. Unset the other.")
    if not path:
        return text or None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}{_FILE}: expected a readable text file, got {path!r} ({error}).") from error


def _parse(name: str, text: str, field: dataclasses.Field[Any]) -> Any:
    kind: Kind = field.metadata["kind"]
    came = "a secret that is not shown" if field.metadata["secret"] else repr(text)
    try:
        return kind.parse(text)
    except UnreadableUrlError as error:
        raise SettingsError(f"{name}: expected {kind.expected}, got {came}: {error}.") from None
    except ValueError:  # its text may quote the value
        raise SettingsError(f"{name}: expected {kind.expected}, got {came}.") from None


def _warnings(values: Mapping[str, Any], unknown: list[str], known: set[str]) -> Iterator[str]:
    if values.get("identity_key", DEVELOPMENT_IDENTITY_KEY) == DEVELOPMENT_IDENTITY_KEY:
        yield (
            f"{variable('identity_key')} is not set: identities are hashed with the public development key, so whoever "
            "reads Redis can guess VPAs. Set 32 hexadecimal digits, the same for every worker."
        )
    for name in unknown:
        near = difflib.get_close_matches(name, known, n=1)
        yield f"{name} is not a setting{f'; did you mean {near[0]}?' if near else '.'}"


def _shown(value: Any, show: Callable[[Any], str], *, secret: bool) -> str:
    if value is None:
        return ""
    if secret:
        return without_secrets(value) if isinstance(value, str) and "://" in value else "********"
    if isinstance(value, bool):
        return str(value).lower()
    return value.hex() if isinstance(value, bytes) else show(value)
