"""`upifraud explain`: one verdict with all its reasons."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

if TYPE_CHECKING:
    from stream.verdict_store import VerdictRecord
    from stream.wire import Alert

EPILOG = """
\b
Examples:
  upifraud explain AXB2f6d1c0e4b7a4d0f8b1e5c7a9d3f2b6e
  upifraud explain AXB2f6d1c0e4b7a4d0f8b1e5c7a9d3f2b6e --json | jq '.reasons[0]'
"""

BAR = 16


@click.command(epilog=EPILOG)
@click.argument("transaction_id")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout, fields as in an alert and more.")
@click.option(
    "--model-dir",
    "model_dirs",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    help="An artifact that gave verdicts, or a folder of artifacts; the verdict store is looked at, too.",
)
def command(transaction_id: str, as_json: bool, model_dirs: tuple[Path, ...]) -> None:
    """Show the stored verdict of a payment and what every feature contributed to it, strongest towards fraud first.

    Contributions are computed anew from the stored vector by the artifact that gave the verdict: they are exact, and
    with the base value they add up to the margin.
    """
    from model.errors import ModelError
    from stream.errors import StreamError
    from stream.settings import read_settings
    from stream.verdict_store import scans

    try:
        settings = read_settings(os.environ)
        record = scans.get(settings.postgres_url, transaction_id)
        if record is None:
            raise click.ClickException(
                f"There is no verdict for {transaction_id!r} in the verdict store: expected the transaction_id of a "
                "payment that was scored, spelled as it came."
            )
        current = () if settings.model_dir is None else (settings.model_dir,)
        alert = _explained(record, (*model_dirs, *current), settings.postgres_url)
    except (StreamError, ModelError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        more = {
            "alerted": record.alert is not None,
            "source_partition": record.source_partition,
            "source_offset": record.source_offset,
        }
        click.echo(json.dumps(msgspec.to_builtins(alert) | more, ensure_ascii=False))
    else:
        _show(record, alert)


def _explained(record: VerdictRecord, directories: tuple[Path, ...], url: str) -> Alert:
    """Return the record as everybody gets it, with all reasons."""
    from model.artifact import DEFAULT_DIR
    from model.reasons import Explainer
    from stream.stages.alerting import Alerting
    from stream.verdict_store.artifacts import RetainedArtifacts

    artifact = RetainedArtifacts((*directories, DEFAULT_DIR), url).artifact(record.model)
    scored = artifact.scorer.score(record.vector[None])
    alerting = Alerting(artifact, Explainer(artifact), allow_reasons="full", most=None)
    return alerting.record(record, scored.contributions[0])


def _show(record: VerdictRecord, alert: Alert) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rupees, paise = divmod(alert.amount_paise, 100)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    risk = f"  risk {alert.risk_score} of 100" if isinstance(alert.risk_score, int) else ""
    until = f"  until {alert.hold_until}" if alert.hold_until else ""
    verdict = f"{alert.verdict}{until}  score {alert.score:.4f}{risk}  margin {alert.margin:+.4f}"
    console.print(verdict, style="bold")
    console.print(f"{alert.transaction_id}  {alert.event_time}  Rs {rupees:,}.{paise:02d}")
    console.print(f"{alert.payer_vpa} -> {alert.payee_vpa}")
    console.print(
        f"model {alert.model_id}, features {alert.feature_state}, decided {alert.decided_at}, "
        f"{'no alert' if record.alert is None else 'an alert was raised'}"
    )
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for name, justify in (("contribution", "right"), ("", "left"), ("feature", "left"), ("value", "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("reason")
    widest = max((abs(reason.contribution) for reason in alert.reasons), default=0.0)
    with_a_share = [reason for reason in alert.reasons if reason.contribution]
    for reason in with_a_share:
        colour = "red" if reason.contribution > 0 else "green"
        table.add_row(
            f"{reason.contribution:+.4f}",
            Text(bar(reason.contribution, widest), style=colour),
            reason.feature,
            f"{reason.value:,.10g}" if isinstance(reason.value, float) else "",
            reason.words,
        )
    table.add_row(f"{alert.base_value:+.4f}", "", "base value", "", "What the model expects of any payment.")
    console.print(table, soft_wrap=False)
    if len(with_a_share) < len(alert.reasons):
        console.print(f"{len(alert.reasons) - len(with_a_share)} more features had no share in it.", style="dim")


def bar(contribution: float, widest: float) -> str:
    """Return a bar to the right for what speaks for fraud, to the left for what speaks against it."""
    length = round(BAR / 2 * abs(contribution) / widest) if widest else 0
    blocks = "█" * length
    return f"{'':{BAR // 2}}│{blocks}" if contribution > 0 else f"{blocks:>{BAR // 2}}│"
