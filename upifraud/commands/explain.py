"""`upifraud explain`: one verdict with all its reasons."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from model.artifact import Artifact
    from model.reasons import Reason
    from stream.verdict_store import VerdictRecord

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
        artifact, reasons = _reasons(record, (*model_dirs, *current), settings.postgres_url)
    except (StreamError, ModelError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(_as_json(record, artifact, reasons), ensure_ascii=False))
    else:
        _show(record, artifact, reasons)


def _reasons(record: VerdictRecord, directories: tuple[Path, ...], url: str) -> tuple[Artifact, list[Reason]]:
    from model.artifact import DEFAULT_DIR
    from model.reasons import Explainer
    from stream.verdict_store.artifacts import RetainedArtifacts

    artifact = RetainedArtifacts((*directories, DEFAULT_DIR), url).artifact(record.model)
    scored = artifact.scorer.score(record.vector[None])
    return artifact, list(Explainer(artifact).reasons(record.vector, scored.contributions[0]))


def _as_json(record: VerdictRecord, artifact: Artifact, reasons: list[Reason]) -> dict[str, Any]:
    import msgspec

    from features.columns import FeatureState
    from model.verdict import Verdict
    from stream.stages.alerting import decision_of
    from stream.wire import alert_id, utc_time

    return {
        "alert_id": alert_id(record.transaction_id),
        "transaction_id": record.transaction_id,
        "event_time": utc_time(record.event_time),
        "decided_at": utc_time(record.decided_at),
        "verdict": Verdict(record.verdict).name,
        "score": record.score,
        "margin": record.margin,
        "base_value": record.model.base_value,
        "reasons": [
            {
                "feature": reason.feature,
                "code": reason.code,
                "value": reason.value,
                "usual": reason.usual,
                "contribution": reason.contribution,
                "text": reason.text,
            }
            for reason in reasons
        ],
        "payer_vpa": record.payer_vpa,
        "payee_vpa": record.payee_vpa,
        "amount_paise": record.amount_paise,
        "feature_state": FeatureState(record.feature_state).name,
        "model_id": record.model.model_id,
        "schema_hash": record.model.schema_hash,
        "policy_id": None,
        "risk_score": None if artifact.risk_map is None else artifact.risk_map.of(record.score),
        "hold_until": None if record.hold_until is None else utc_time(record.hold_until),
        "decision": msgspec.to_builtins(decision_of(artifact, Verdict(record.verdict))),
        "alerted": record.alert is not None,
        "source_partition": record.source_partition,
        "source_offset": record.source_offset,
    }


def _show(record: VerdictRecord, artifact: Artifact, reasons: list[Reason]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = _as_json(record, artifact, reasons)
    rupees, paise = divmod(record.amount_paise, 100)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    risk = "" if shown["risk_score"] is None else f"  risk {shown['risk_score']} of 100"
    until = "" if shown["hold_until"] is None else f"  until {shown['hold_until']}"
    verdict = f"{shown['verdict']}{until}  score {record.score:.4f}{risk}  margin {record.margin:+.4f}"
    console.print(verdict, style="bold")
    console.print(f"{record.transaction_id}  {shown['event_time']}  Rs {rupees:,}.{paise:02d}")
    console.print(f"{record.payer_vpa} -> {record.payee_vpa}")
    console.print(
        f"model {record.model.model_id}, features {shown['feature_state']}, decided {shown['decided_at']}, "
        f"{'an alert was raised' if shown['alerted'] else 'no alert'}"
    )
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for name, justify in (("contribution", "right"), ("", "left"), ("feature", "left"), ("value", "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("reason")
    widest = max((abs(reason.contribution) for reason in reasons), default=0.0)
    with_a_share = [reason for reason in reasons if reason.contribution]
    for reason in with_a_share:
        colour = "red" if reason.contribution > 0 else "green"
        table.add_row(
            f"{reason.contribution:+.4f}",
            Text(bar(reason.contribution, widest), style=colour),
            reason.feature,
            "" if reason.value is None else f"{reason.value:,.10g}",
            reason.text,
        )
    table.add_row(f"{record.model.base_value:+.4f}", "", "base value", "", "What the model expects of any payment.")
    console.print(table, soft_wrap=False)
    if len(with_a_share) < len(reasons):
        console.print(f"{len(reasons) - len(with_a_share)} more features had no share in it.", style="dim")


def bar(contribution: float, widest: float) -> str:
    """Return a bar to the right for what speaks for fraud, to the left for what speaks against it."""
    length = round(BAR / 2 * abs(contribution) / widest) if widest else 0
    blocks = "█" * length
    return f"{'':{BAR // 2}}│{blocks}" if contribution > 0 else f"{blocks:>{BAR // 2}}│"
