"""Fraud: what became of the payments, whether the model still fits them, and what was no payment at all."""

from __future__ import annotations

from deploy.grafana.board import Section
from deploy.grafana.panels import bars, lines
from deploy.grafana.queries import FLAGGED, Query, increase, of, rate, share


def outcomes() -> Section:
    """Return the section about outcomes, by typology and by verdict."""
    frauds = "frauds_reported_total"
    return Section(
        "Outcomes",
        [
            lines(
                "Frauds reported, by typology",
                "Reports of fraud on payments that have a verdict. Typologies that the program does not know count as "
                "other, none given as unknown.",
                "short",
                Query(increase(frauds, "typology"), "{{typology}}"),
                stacked=True,
            ),
            bars(
                "Frauds that had been flagged, by typology",
                "Share of the frauds reported in the range that is shown whose verdict was REVIEW or stricter. A "
                "typology far below the others is what to train on next.",
                "percentunit",
                Query(share(frauds, FLAGGED, by="typology"), "{{typology}}", instant=True),
                most=1,
            ),
            lines(
                "Outcomes, by the verdict of their payment",
                "FRAUD on ALLOW was missed; GENUINE on HOLD or BLOCK cost a customer a payment.",
                "short",
                Query(increase("outcomes_stored_total", "outcome, verdict"), "{{outcome}} on {{verdict}}"),
                stacked=True,
            ),
            lines(
                "Outcomes read",
                "Waiting ones came before the verdict of their payment and are applied with it; superseded ones are "
                "older than the one that stands.",
                "cps",
                Query(rate("outcomes_consumed_total"), "read"),
                Query(rate("outcomes_unmatched_total"), "waiting"),
                Query(rate("outcomes_superseded_total"), "superseded"),
            ),
        ],
    )


def holds() -> Section:
    """Return the section about holds and how they end."""
    ended = "holds_ended_total"
    return Section(
        "Holds",
        [
            lines(
                "Holds, open and overdue",
                "HOLDs that nobody has ended, and those of them that are past their end. Overdue ones stay at 0: the "
                "API ends them within seconds.",
                "short",
                Query(f"max({of('holds_open')})", "open"),
                Query(f"max({of('holds_overdue')})", "overdue"),
                alerts=("UpiFraudHoldsOverdue",),
            ),
            lines(
                "Holds that ended",
                "By a person (PERSON) or of themselves (EXPIRY). Many expiries: nobody looks at them in time.",
                "short",
                Query(increase(ended, "action, cause"), "{{action}}, {{cause}}"),
                stacked=True,
            ),
            lines(
                "Resolutions",
                "Ends of holds on their way to the switch: those that wait for the broker, and those that it took.",
                "short",
                Query(f"max({of('resolutions_waiting')})", "waiting"),
                Query(increase("resolutions_published_total"), "sent"),
                width=24,
                alerts=("UpiFraudResolutionsWaiting",),
            ),
        ],
    )


def drift() -> Section:
    """Return the section about the model and its drift."""
    return Section(
        "Model and drift",
        [
            lines(
                "Drift, the ten features that moved most",
                "Population stability index of recent payments against those the model was trained on: under 0.1 "
                "nothing happened, over 0.3 the model judges payments that it was not trained for.",
                "none",
                Query(f"topk(10, max by (feature) ({of('model_drift_score')}))", "{{feature}}"),
                limit=0.3,
                alerts=("UpiFraudFeatureDrift", "UpiFraudScoreDrift"),
            ),
            lines(
                "Drift of the score, by worker",
                "The same index of the calibrated probability: what drifts here changes verdicts. Workers that differ "
                "much have partitions with other payers.",
                "none",
                Query(of("model_drift_score", 'feature="score"'), "{{instance}}"),
                limit=0.3,
                alerts=("UpiFraudScoreDrift",),
            ),
            lines(
                "Drift sample, age",
                "How far back the sample reaches. It slides over a day; until a worker has seen most of one, the time "
                "of day shows as drift, and the alerts wait.",
                "s",
                Query(of("model_drift_sample_span_seconds"), "{{instance}}"),
            ),
            lines(
                "Models in use",
                "Workers by the artifact they judge with. Two of them for longer than a rollout: some pods have the "
                "old one.",
                "none",
                Query(f"count by (model_id, schema_hash) ({of('model_info')})", "{{model_id}} ({{schema_hash}})"),
                stacked=True,
                alerts=("UpiFraudModelsDiffer",),
            ),
        ],
    )


def refused() -> Section:
    """Return the section about dead letters, duplicates and unusable fields."""
    return Section(
        "Records that are no new payments",
        [
            lines(
                "Dead letters, by reason",
                "Records that went to a dead-letter topic with their bytes and the reason. `upifraud dead-letters "
                "list` shows them, `replay` sends them again.",
                "cps",
                Query(rate("dead_letters_total", "reason"), "{{reason}}"),
                stacked=True,
                alerts=("UpiFraudDeadLetters", "UpiFraudDeadLetterBudgetBurn"),
            ),
            lines(
                "Duplicates",
                "Payments that came again by another record, as switches do when they are not sure. They change "
                "nothing.",
                "cps",
                Query(rate("duplicates_total"), "duplicates"),
            ),
            lines(
                "Optional fields unknown",
                "Optional fields of a wrong type or with an unknown value. The payment is judged without them; many of "
                "one field are a change at the switch.",
                "cps",
                Query(rate("optional_fields_unknown_total", "field"), "{{field}}"),
                width=24,
            ),
        ],
    )
