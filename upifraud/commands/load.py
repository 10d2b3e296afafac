"""`upifraud load`: a load test of running workers, with thresholds and an exit code."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from stream.settings import Settings
    from upifraud.load.run import Load
    from upifraud.load.thresholds import Check, Measured, Thresholds

EPILOG = """
\b
Examples:
  upifraud load --rate 1000 --seconds 60 --p99-ms 100 --max-lag 2000
  upifraud load --rate 5000 --seconds 300 --metrics http://10.0.0.11:9464/metrics \\
      --metrics http://10.0.0.12:9464/metrics --max-lag-seconds 5 --against kafka.staging:9092

\b
Name every worker of the group with --metrics: what another one takes counts as not finished; nobody else may publish
meanwhile. Payments are those of `upifraud simulate`: each has an id of its own, gets a verdict, and perhaps an alert.
So a Kafka that is not on this machine must be named with --against, and production is no place for it.
Latency counts from a payment's schedule, so waiting is not left out. Exit codes: 0 all kept, 1 something was missed.
"""

MOST_RATE, MOST_SECONDS = 200_000, 6 * 3600


@click.command(epilog=EPILOG)
@click.option("--rate", type=click.FloatRange(0, MOST_RATE, min_open=True), required=True, help="Payments a second.")
@click.option("--seconds", type=click.FloatRange(1, MOST_SECONDS), required=True, help="How long it is measured.")
@click.option("--warm-up", type=click.FloatRange(0, 600), default=5.0, show_default=True, help="Seconds before that.")
@click.option("--p50-ms", type=click.FloatRange(0, min_open=True), help="Latency that half of the payments must keep.")
@click.option("--p99-ms", type=click.FloatRange(0, min_open=True), help="Latency that 99 % of them must keep.")
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
def command(rate: float, seconds: float, urls: tuple[str, ...], *, as_json: bool, **options: Any) -> None:
    """Publish payments on schedule, read the workers' metrics, and fail if a threshold is missed.

    Always asked for: every payment finished, none refused by Kafka, no dead letter, no restart, and a switch that kept
    its own schedule.
    """
    from upifraud.load.run import Load
    from upifraud.load.thresholds import Thresholds, checks
    from upifraud.publishing import brokers

    settings, conf = brokers()
    _check_target(settings, options["against"])
    urls = urls or (f"http://127.0.0.1:{settings.metrics_port}/metrics",)
    for url in urls:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise click.UsageError(f"--metrics: expected an address as http://HOST:9464/metrics, got {url!r}")
    load = Load(rate, seconds, options["warm_up"], options["patience"], options["payers"], options["seed"])
    thresholds = Thresholds(options["p50_ms"], options["p99_ms"], options["max_lag"], options["max_lag_seconds"])
    measured = _run(load, settings, conf, urls)
    found = list(checks(measured, thresholds))
    _print(measured, thresholds, found, as_json=as_json)
    missed = [check for check in found if not check.kept]
    if missed:
        said = "; ".join(f"{check.name}: expected {check.expected}, came {check.came}" for check in missed)
        raise click.ClickException(f"{len(missed)} of {len(found)} checks missed: {said}")


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


def _print(measured: Measured, thresholds: Thresholds, found: list[Check], *, as_json: bool) -> None:
    if as_json:
        whole = {
            "kept": all(check.kept for check in found),
            "measured": asdict(measured),
            "thresholds": asdict(thresholds),
            "checks": [asdict(check) for check in found],
        }
        click.echo(json.dumps(whole, indent=1))
        return
    click.echo(
        f"{measured.published} payments at {measured.rate:.0f} a second of {measured.asked_rate:.0f} asked for; "
        f"latency p50 {_ms(measured.p50_ms)}, p99 {_ms(measured.p99_ms)}; at most {measured.lag} records and "
        f"{measured.lag_seconds:.1f} s behind"
    )
    for check in found:
        click.echo(f"{'kept  ' if check.kept else 'MISSED'}  {check.name}: {check.came} ({check.expected})")


def _ms(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.0f} ms"
