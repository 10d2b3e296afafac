"""`upifraud load`: a load test of running workers, with thresholds and an exit code."""

from __future__ import annotations

import ipaddress
import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from stream.settings import Settings
    from upifraud.load.over_http import HttpMeasured
    from upifraud.load.run import Load
    from upifraud.load.thresholds import Check, Measured, Thresholds

EPILOG = """
\b
Examples:
  upifraud load --rate 1000 --seconds 60 --p99-ms 100 --max-lag 2000
  upifraud load --rate 5000 --seconds 300 --metrics http://10.0.0.11:9464/metrics \\
      --metrics http://10.0.0.12:9464/metrics --max-lag-seconds 5 --against kafka.staging:9092
  upifraud load --http http://127.0.0.1:8000 --key-env KEY --vus 100 --seconds 60 --p95-ms 100
  upifraud load --http http://127.0.0.1:8000 --key-env KEY --rate 100 --seconds 60 --deadline-ms 1000

\b
Name every worker of the group with --metrics: what another one takes counts as not finished; nobody else may publish
meanwhile. Payments are those of `upifraud simulate`: each has an id of its own, gets a verdict, and perhaps an alert.
So a Kafka that is not on this machine must be named with --against, an API with --allow-remote, and production is no
place for it. Latency counts from a payment's schedule, so waiting is not left out. With --http payments are posted: at
a rate, or by --vus callers that each wait for their answer. The key comes from the environment, never from the command
line. Exit codes: 0 all kept, 1 something was missed.
"""

MOST_RATE, MOST_SECONDS = 200_000, 6 * 3600
MOST_HTTP_RATE, MOST_VUS = 5_000, 1_000
ABOVE_0 = click.FloatRange(0, min_open=True)


@click.command(epilog=EPILOG)
@click.option("--rate", type=click.FloatRange(0, MOST_RATE, min_open=True), help="Payments a second.")
@click.option("--seconds", type=click.FloatRange(1, MOST_SECONDS), required=True, help="How long it is measured.")
@click.option("--http", "url", metavar="URL", help="Post to the API at this address instead of publishing to Kafka.")
@click.option("--key-env", metavar="NAME", help="Environment variable with the API's key; it needs payments:write.")
@click.option("--vus", type=click.IntRange(1, MOST_VUS), help="Callers that post in a loop, instead of --rate.")
@click.option("--deadline-ms", type=click.IntRange(1, 10_000), help="What the API is asked for.  [default: its own]")
@click.option("--allow-remote", is_flag=True, help="The API may be on another machine.")
@click.option("--warm-up", type=click.FloatRange(0, 600), default=5.0, show_default=True, help="Seconds before that.")
@click.option("--p50-ms", type=ABOVE_0, help="Latency that half of the payments must keep.")
@click.option("--p95-ms", type=ABOVE_0, help="Latency that 95 % of them must keep; with --http.")
@click.option("--p99-ms", type=ABOVE_0, help="Latency that 99 % of them must keep.")
@click.option("--max-lag", type=click.IntRange(0), help="Most records that all workers may be behind together.")
@click.option("--max-lag-seconds", type=click.FloatRange(0), help="Most seconds that a worker may be behind.")
@click.option(
    "--metrics",
    "urls",
    multiple=True,
    metavar="URL",
    help="A worker's page; can be given several times.  [default: http://127.0.0.1:UPIFRAUD_METRICS_PORT/metrics]",
)
@click.option("--against", metavar="HOST:PORT,...", help="The Kafka meant, where it is not on this machine.")
@click.option(
    "--patience", type=click.FloatRange(0, 3600), default=60.0, show_default=True, help="Seconds to finish after it."
)
@click.option("--payers", type=click.IntRange(50), default=20_000, show_default=True, help="People who pay.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Same seed, same people.")
@click.option("--json", "as_json", is_flag=True, help="Print what was measured and every check as a JSON object.")
def command(url: str | None, urls: tuple[str, ...], *, as_json: bool, **options: Any) -> None:
    """Make payments on schedule, measure how they are decided, and fail if a threshold is missed.

    Always asked for: every payment finished, none refused by Kafka, no dead letter, no restart, and a switch that kept
    its own schedule. With --http: every post answered with 200 or 202.
    """
    from upifraud.load.thresholds import Thresholds

    _check_together(url, urls, options)
    bounds = ("p50_ms", "p95_ms", "p99_ms", "max_lag", "max_lag_seconds")
    thresholds = Thresholds(**{name: options[name] for name in bounds})
    measured: Measured | HttpMeasured
    if url is None:
        measured, found = _over_kafka(urls, thresholds, options)
        said = measured_line(measured)
    else:
        measured, found = _over_http(url, thresholds, options)
        said = http_line(measured)
    _print(measured, thresholds, found, said, as_json=as_json)
    missed = [check for check in found if not check.kept]
    if missed:
        told = "; ".join(f"{check.name}: expected {check.expected}, came {check.came}" for check in missed)
        raise click.ClickException(f"{len(missed)} of {len(found)} checks missed: {told}")


def _check_together(url: str | None, urls: tuple[str, ...], options: dict[str, Any]) -> None:
    """Refuse options that do not go together."""
    if (options["rate"] is None) == (options["vus"] is None):
        raise click.UsageError("expected one of --rate and --vus")
    of_http = [name for name in ("key_env", "vus", "deadline_ms", "p95_ms", "allow_remote") if options[name]]
    of_kafka = [name for name in ("against", "max_lag", "max_lag_seconds") if options[name] is not None]
    wrong = of_http if url is None else of_kafka + (["metrics"] if urls else [])
    if wrong:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in wrong)
        raise click.UsageError(f"{names}: expected {'only' if url is None else 'not'} with --http")


def _over_kafka(urls: tuple[str, ...], thresholds: Thresholds, options: dict[str, Any]) -> tuple[Measured, list[Check]]:
    from upifraud.load.run import Load
    from upifraud.load.thresholds import checks
    from upifraud.publishing import brokers

    settings, conf = brokers()
    _check_target(settings, options["against"])
    urls = urls or (f"http://127.0.0.1:{settings.metrics_port}/metrics",)
    for url in urls:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise click.UsageError(f"--metrics: expected an address as http://HOST:9464/metrics, got {url!r}")
    wanted = ("rate", "seconds", "warm_up", "patience", "payers", "seed")
    measured = _run(Load(*(options[name] for name in wanted)), settings, conf, urls)
    return measured, list(checks(measured, thresholds))


def _over_http(url: str, thresholds: Thresholds, options: dict[str, Any]) -> tuple[HttpMeasured, list[Check]]:
    from contextlib import ExitStack

    from simulator.errors import ParameterError
    from upifraud.load.over_http import HttpLoad, run
    from upifraud.load.thresholds import http_checks
    from upifraud.progress import steps
    from upifraud.publishing import stopping

    if options["rate"] is not None and options["rate"] > MOST_HTTP_RATE:
        raise click.UsageError(f"--rate: expected at most {MOST_HTTP_RATE:,} a second with --http")
    address = _checked_address(url, allow_remote=options["allow_remote"])
    if options["key_env"] is None:
        raise click.UsageError("--key-env: expected the name of an environment variable with the API's key")
    key = os.environ.get(options["key_env"], "")
    if not key:
        raise click.UsageError(f"--key-env {options['key_env']}: expected a key in this variable, it is not set")
    wanted = ("rate", "vus", "seconds", "warm_up", "deadline_ms", "payers", "seed")
    load = HttpLoad(f"{address}/v1/payments", key, **{name: options[name] for name in wanted})
    try:
        with ExitStack() as open_parts:
            moved = open_parts.enter_context(steps())("seconds", round(load.warm_up + load.seconds))
            measured = run(load, moved, lambda stop: open_parts.enter_context(stopping(stop)))
    except ParameterError as error:
        raise click.UsageError(str(error)) from error
    return measured, list(http_checks(measured, thresholds))


def _checked_address(url: str, *, allow_remote: bool) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise click.UsageError("--http: expected an address as http://127.0.0.1:8000")
    if not allow_remote and not _is_loopback(parts.hostname):
        raise click.UsageError(
            f"the API at {parts.hostname} is not on this machine, and every payment of a load test gets a verdict "
            "there: say on purpose that it may be with --allow-remote"
        )
    return url.rstrip("/").removesuffix("/v1/payments")


def _check_target(settings: Settings, against: str | None) -> None:
    """Refuse to pour payments into a Kafka that nobody has named on purpose."""
    servers = settings.kafka_bootstrap_servers
    if against is not None:
        if against != servers:
            raise click.UsageError(
                f"--against {against}: UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS names {servers}; expected the same"
            )
    elif not all(_is_loopback(server.rpartition(":")[0]) for server in servers.split(",")):
        raise click.UsageError(
            f"Kafka at {servers} is not on this machine, and every payment of a load test gets a verdict there: name "
            f"it on purpose with --against {servers}"
        )


def _is_loopback(host: str) -> bool:
    if host.strip("[]") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _run(load: Load, settings: Settings, conf: dict[str, Any], urls: tuple[str, ...]) -> Measured:
    from contextlib import ExitStack

    from simulator.errors import ParameterError, SimulatorError
    from upifraud.load.run import run
    from upifraud.load.workers import Lookout, SilentWorkerError
    from upifraud.progress import steps
    from upifraud.publishing import stopping

    try:
        with ExitStack() as open_parts:
            step = open_parts.enter_context(steps())
            lookout = Lookout(urls, settings.topic_transactions)
            open_parts.callback(lookout.close)
            moved = step("publishing", round(load.rate * (load.warm_up + load.seconds)))
            return run(load, settings, conf, lookout, moved, lambda stop: open_parts.enter_context(stopping(stop)))
    except ParameterError as error:
        raise click.UsageError(str(error)) from error
    except (SimulatorError, SilentWorkerError) as error:
        raise click.ClickException(str(error)) from error


def _print(
    measured: Measured | HttpMeasured, thresholds: Thresholds, found: list[Check], said: str, *, as_json: bool
) -> None:
    if as_json:
        whole = {
            "kept": all(check.kept for check in found),
            "measured": asdict(measured),
            "thresholds": asdict(thresholds),
            "checks": [asdict(check) for check in found],
        }
        click.echo(json.dumps(whole, indent=1))
        return
    click.echo(said)
    for check in found:
        click.echo(f"{'kept  ' if check.kept else 'MISSED'}  {check.name}: {check.came} ({check.expected})")


def measured_line(measured: Measured) -> str:
    """Say in a line what was measured of the workers."""
    return (
        f"{measured.published} payments at {measured.rate:.0f} a second of {measured.asked_rate:.0f} asked for; "
        f"latency p50 {_ms(measured.p50_ms)}, p99 {_ms(measured.p99_ms)}; at most {measured.lag} records and "
        f"{measured.lag_seconds:.1f} s behind"
    )


def http_line(measured: HttpMeasured) -> str:
    """Say in a line what was measured of the API."""
    asked = f"{measured.vus} callers" if measured.asked_rate is None else f"{measured.asked_rate:g} a second asked for"
    statuses = ", ".join(f"{count} {status}" for status, count in measured.statuses.items()) or "none"
    return (
        f"{measured.posted} posts, {measured.rate:.0f} answered a second ({asked}); time p50 {_ms(measured.p50_ms)}, "
        f"p95 {_ms(measured.p95_ms)}, p99 {_ms(measured.p99_ms)}, most {_ms(measured.most_ms)}; {statuses}"
    )


def _ms(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.0f} ms"
