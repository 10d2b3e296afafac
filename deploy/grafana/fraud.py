"""Fraud: what a fraud desk looks at. Which verdicts are given, why, and what became of those payments?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.grafana.board import Section, board
from deploy.grafana.fraud_outcomes import drift, holds, outcomes, refused
from deploy.grafana.panels import BAD, GOOD, WARN, bars, heat, lines, number
from deploy.grafana.queries import FLAGGED, RANGE, Query, increase, of, quantile, rate, share

if TYPE_CHECKING:
    from grafana_foundation_sdk.models import dashboard

FRAUD = 'outcome="FRAUD"'
VERDICTS = "fraud_predictions_total"


def _flagged() -> str:
    return f"{rate(VERDICTS, labels=FLAGGED)} / {rate(VERDICTS)}"


def fraud() -> dashboard.Dashboard:
    """Return the dashboard of verdicts, their reasons and their outcomes."""
    return board(
        "fraud",
        "Fraud",
        "Which verdicts are given and why, how much of the alert budget they spend, and which of the frauds that were "
        "reported had been flagged.",
        [_now(), _verdicts(), _scores(), holds(), outcomes(), drift(), refused()],
    )


def _now() -> Section:
    return Section(
        "Now",
        [
            number(
                "Payments judged",
                "Verdicts given a second, one a distinct payment.",
                "cps",
                Query(rate(VERDICTS), "judged"),
            ),
            number(
                "REVIEW or stricter",
                "Share of payments with an alert. Over 10 % something is wrong: with the payments, the model or its "
                "features.",
                "percentunit",
                Query(_flagged(), "flagged"),
                steps=((None, GOOD), (0.02, WARN), (0.1, BAD)),
                alerts=("UpiFraudRateHigh",),
            ),
            number(
                "Alert budget spent",
                "Alerts in the range that is shown, against the share that the thresholds were chosen for. Over 100 % "
                "case workers get more than was planned.",
                "percentunit",
                Query(f"{share(VERDICTS, FLAGGED)} / max({of('alert_budget_ratio')})", "spent", instant=True),
                steps=((None, GOOD), (1, WARN), (2, BAD)),
            ),
            number(
                "Frauds that had been flagged",
                "Of the frauds reported in the range that is shown, the share with REVIEW or stricter. Reports come "
                "days later: look at a week or more.",
                "percentunit",
                Query(share("frauds_reported_total", FLAGGED), "flagged", instant=True),
            ),
            number(
                "Alerts that were fraud",
                "Of the outcomes of flagged payments in the range that is shown, the share FRAUD. It is the precision "
                "only if reviewed payments that are genuine are reported, too.",
                "percentunit",
                Query(share("outcomes_stored_total", f"{FLAGGED}, {FRAUD}", FLAGGED), "fraud", instant=True),
            ),
            number(
                "Dead letters",
                "Share of records that are no payments. Nobody judges these: see the reasons at the bottom.",
                "percentunit",
                Query(f"{rate('dead_letters_total')} / {rate('transactions_consumed_total')}", "dead letters"),
                steps=((None, GOOD), (0.001, WARN), (0.01, BAD)),
                alerts=("UpiFraudDeadLetters", "UpiFraudDeadLetterBudgetBurn"),
            ),
        ],
    )


def _verdicts() -> Section:
    return Section(
        "Verdicts",
        [
            lines(
                "Verdict mix",
                "Shares of the four verdicts, on a logarithmic axis: nearly all payments are ALLOW.",
                "percentunit",
                Query(f"{rate(VERDICTS, 'verdict')} / on () group_left () {rate(VERDICTS)}", "{{verdict}}"),
                log=True,
            ),
            lines(
                "Alerts",
                "Alerts a second whose delivery the broker confirmed, by verdict. One that is repeated after a death "
                "is counted again.",
                "cps",
                Query(rate("alerts_published_total", "verdict", FLAGGED), "{{verdict}}"),
                stacked=True,
            ),
            lines(
                "REVIEW or stricter, against the alert budget",
                "The budget is the share of payments that the thresholds were chosen to flag. A step is a new model, "
                "an attack, or a feature that broke; the drift below tells which.",
                "percentunit",
                Query(_flagged(), "flagged"),
                Query(f"max({of('alert_budget_ratio')})", "budget"),
                limit=0.1,
                alerts=("UpiFraudRateHigh",),
            ),
            bars(
                "Strongest reasons of alerts",
                "The code of the first reason of every alert in the range that is shown.",
                "short",
                Query(f"topk(15, {increase('alert_reasons_total', 'code', over=RANGE)})", "{{code}}", instant=True),
            ),
            lines(
                "Strongest reasons over time",
                "Which reasons came up, and when: campaigns show as one reason that rises by itself.",
                "cps",
                Query(rate("alert_reasons_total", "code"), "{{code}}"),
                stacked=True,
                width=24,
            ),
        ],
    )


def _scores() -> Section:
    return Section(
        "Scores",
        [
            heat(
                "Score distribution",
                "Calibrated probability of fraud of all payments. Nearly all lie in the lowest bands; a band that "
                "widens upwards makes alerts.",
                "percentunit",
                Query(increase("fraud_score_bucket", "le"), "{{le}}"),
            ),
            lines(
                "Score quantiles, against the thresholds",
                "Interpolated within the bucket. Where a quantile crosses a threshold, that share of payments gets the "
                "verdict.",
                "percentunit",
                *(Query(quantile(q, "fraud_score"), f"p{q * 100:g}") for q in (0.5, 0.99, 0.999)),
                Query(f"max by (verdict) ({of('model_threshold')})", "{{verdict}}"),
                log=True,
            ),
        ],
    )
