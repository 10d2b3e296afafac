"""What the demo shows of recorded moments, in a terminal and in lines."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from stream.steps import Step
from stream.wire import Alert, Reason
from upifraud.demo.picture import Latency, Picture, Progress
from upifraud.demo.plan import Plan
from upifraud.demo.quality import Part, Quality
from upifraud.demo.reading import Buckets, Reading
from upifraud.demo.run import Phase
from upifraud.demo.show import LineScreen, alert_line, line_of
from upifraud.demo.view import View
from upifraud.demo.words import bar, chart, duration, indian_time, log_share, rupees, share

# 2026-01-06T08:35Z
MOMENT = 1_767_688_500_000


def alert(number: int, verdict: str = "BLOCK") -> Alert:
    reasons = (
        Reason(
            feature="payer_first_to_payee",
            code="FIRST_PAYMENT",
            value=1.0,
            usual=None,
            contribution=3.21,
            text="First payment to this payee.",
        ),
        Reason(
            feature="amount_ratio_to_max",
            code="AMOUNT_ABOVE_MAX",
            value=4.2,
            usual=0.4,
            contribution=1.6,
            text="The amount is 4.2 times the largest of the last 30 days [usual: 0.4].",
        ),
        Reason(feature="night", code="NIGHT", value=1.0, usual=0.1, contribution=0.4, text="Made at night."),
        Reason(feature="f", code="F", value=1.0, usual=0.1, contribution=-2.5, text="Speaks for the payer."),
    )
    return Alert(
        alert_id=f"{number}",
        transaction_id=f"{number}",
        event_time="2026-01-06T08:35:00.000Z",
        decided_at="2026-11-22T08:35:00.000Z",
        verdict=verdict,
        score=0.913,
        margin=2.0,
        base_value=-5.0,
        reasons=reasons,
        payer_vpa=f"asha.rao{number}@okaxis",
        payee_vpa="kiran77@ybl",
        amount_paise=4_999_900 + number,
        feature_state="COLD" if verdict == "HOLD" else "FULL",
        model_id="m",
        schema_hash="s",
    )


MARKS = Quality(
    precision={"REVIEW": Part(90, 120), "HOLD": Part(70, 80), "BLOCK": Part(40, 41)},
    recall={"REVIEW": Part(90, 150), "HOLD": Part(70, 150), "BLOCK": Part(40, 150)},
    typologies={"impersonation": Part(60, 80), "mule_fan_in": Part(30, 70)},
)
LIVE = Picture(
    plan=Plan(),
    phase=Phase.LIVE,
    elapsed=41.3,
    kafka="embedded Kafka-compatible broker",
    progress=Progress(0.6, "18 of 30 s"),
    simulated_ms=MOMENT,
    sent=168_300,
    reading=Reading(
        50.0,
        consumed=168_123,
        verdicts={"ALLOW": 166_000, "REVIEW": 1_500, "HOLD": 400, "BLOCK": 90},
        dead_letters={"not-json": 30, "bad-vpa": 3},
        duplicates=95,
        outcomes=812,
        lag_records=1_204,
        lag_seconds=0.31,
    ),
    rate=1_002.3,
    rates=tuple(float(step) for step in range(100)),
    latency=Latency(0.0123, 0.0481, tuple((name, 0.001 * (step + 1)) for step, name in enumerate(Step))),
    alerts=tuple(alert(number, verdict) for number, verdict in enumerate(("BLOCK", "REVIEW", "HOLD", *["BLOCK"] * 20))),
    quality=MARKS,
)
STARTING = Picture(
    plan=Plan(),
    phase=Phase.STARTING,
    elapsed=1.2,
    notes=("kafka: embedded, because the settings name no other", "redis: ready in 0.2 s"),
)


def drawn(picture: Picture, width: int, height: int) -> list[str]:
    """Draw a picture as the terminal would show it, without colours."""
    console = Console(record=True, file=io.StringIO(), width=width, height=height, force_terminal=True)
    console.print(View(picture), end="")
    return console.export_text().split("\n")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (120, 40), (200, 60)])
def test_every_line_fills_the_terminal_and_none_is_longer(width: int, height: int) -> None:
    lines = drawn(LIVE, width, height)
    assert len([line for line in lines if line]) == height
    assert {len(line) for line in lines if line} == {width}


API = "API http://127.0.0.1:8000/docs, try: curl -K .upifraud/demo/curl"


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
def test_where_the_api_is_stands_below_the_alerts_once_it_answers(width: int, height: int) -> None:
    lines = drawn(replace(LIVE, api=API), width, height)
    assert [line for line in lines if API in line] == [lines[height - 1]]
    assert {len(line) for line in lines if line} == {width}


def test_80_by_24_shows_all_that_matters() -> None:
    text = "\n".join(drawn(LIVE, 80, 24))
    for shown in (
        "LIVE",
        "18 of 30 s",
        "Tue 06 Jan 2026 14:05",
        "1,000/s, open loop",
        "frauds raised to 1 %",
        "real: 7 in a million",
        "1,002/s",
        "168,123 of 168,300 sent are done",
        "lag 1,204 records, 310 ms",
        "p50 12 ms  p99 48 ms",
        "windows 4.0",
        "publish 8.0",
        "against the truth: 150 frauds",
        "ALLOW    166,000  98.82 %",
        "BLOCK         90   0.05 %",
        "REVIEW+",
        "75 %",
        "60 %",
        "BLOCK  0.913      ₹49,999.00  asha.rao0@okaxis → kiran77@ybl",
        "+3.21 First payment to this payee.",
        "+1.60 The amount is 4.2 times the largest of the last 30 d",
    ):
        assert shown in text, shown


def test_80_by_24_has_room_for_three_alerts_of_two_reasons() -> None:
    text = "\n".join(drawn(LIVE, 80, 24))
    assert text.count("kiran77@ybl") == 3
    assert text.count("First payment to this payee.") == 3
    assert "Made at night." not in text


def test_a_larger_terminal_shows_more_of_everything() -> None:
    text = "\n".join(drawn(LIVE, 120, 40))
    assert text.count("kiran77@ybl") > 3
    assert "33 dead letters" in text
    assert "mule_fan_in         30 of 70" in text
    assert "[usual: 0.4]" in text  # whole, and not taken for markup
    assert "publish   8.0 ms" in text


def test_reasons_that_speak_for_the_payer_are_no_reasons_of_an_alert() -> None:
    assert "Speaks for the payer" not in "\n".join(drawn(LIVE, 200, 60))


def test_stronger_reasons_have_longer_bars() -> None:
    lines = drawn(LIVE, 80, 24)
    first, second = (next(line for line in lines if text in line) for text in ("+3.21", "+1.60"))
    assert first.count("█") == 8
    assert second.count("█") == 4


def test_before_the_first_alert_the_start_is_told() -> None:
    text = "\n".join(drawn(STARTING, 80, 24))
    assert "STARTING" in text
    assert "redis: ready in 0.2 s" in text


def test_before_the_live_traffic_there_are_no_marks() -> None:
    text = "\n".join(drawn(replace(LIVE, phase=Phase.WARMING_UP, quality=None), 80, 24))
    assert "WARMING UP" in text
    assert "measured in the live" in text


@pytest.mark.parametrize(("width", "height"), [(20, 5), (40, 12), (79, 23), (10, 1)])
def test_a_terminal_that_is_too_small_is_no_error(width: int, height: int) -> None:
    assert drawn(LIVE, width, height)


@pytest.mark.parametrize("verdict", ["ALLOW", "REVIEW", "HOLD", "BLOCK"])
def test_every_verdict_can_be_drawn(verdict: str) -> None:
    assert verdict in "\n".join(drawn(replace(LIVE, alerts=(alert(1, verdict),)), 80, 24))


# Lines ------------------------------------------------------------------------------------------------------------


def test_a_line_tells_the_same_in_ascii() -> None:
    line = line_of(LIVE)
    assert line.isascii()
    for shown in (
        "41.3 s  live",
        "1,002/s",
        "lag 1,204 (310 ms)",
        "p50 12 ms p99 48 ms",
        "ALLOW 166,000 REVIEW 1,500 HOLD 400 BLOCK 90",
        "precision 75 % recall 60 %",
    ):
        assert shown in line, shown


def test_a_line_before_the_first_verdict_tells_what_waits() -> None:
    waiting = replace(LIVE, phase=Phase.WARMING_UP, progress=None, sent=10_000, reading=Reading(50.0))
    assert line_of(waiting) == "  41.3 s  warming up   10,000 sent, no verdict yet"


def test_an_alert_is_a_line_with_its_strongest_reason() -> None:
    line = alert_line(alert(0))
    assert line.isascii()
    assert "BLOCK 0.913  Rs 49,999.00  asha.rao0@okaxis -> kiran77@ybl: First payment to this payee." in line


def test_there_is_a_line_a_second_and_every_note_once() -> None:
    console = Console(file=io.StringIO(), width=80)
    screen = LineScreen(console)
    screen.show(STARTING)
    for quarter in range(9):  # 2.25 s
        screen.show(replace(LIVE, elapsed=41.3 + quarter / 4, notes=STARTING.notes))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]  # a StringIO
    assert [line for line in lines if "redis: ready" in line] == ["   1.2 s  redis: ready in 0.2 s"]
    assert len([line for line in lines if "  live " in line]) == 3
    assert len([line for line in lines if "asha.rao0" in line]) == 1


def test_the_end_is_told_by_its_notes_alone() -> None:
    console = Console(file=io.StringIO(), width=80)
    LineScreen(console).show(replace(LIVE, phase=Phase.STOPPING, notes=("servers: stop",)))
    assert console.file.getvalue() == "  41.3 s  servers: stop\n"  # type: ignore[attr-defined]  # a StringIO


# Drawings and words -----------------------------------------------------------------------------------------------


def test_a_chart_is_as_wide_as_asked_and_ends_with_the_newest() -> None:
    assert chart([0, 1, 2, 4, 8], 3) == ["▂▄█"]
    assert chart([8], 3) == ["  █"]
    assert chart([0, 0], 2) == ["▁▁"]
    assert chart([], 2) == ["  "]
    assert chart([1, 2], 0) == [""]


def test_a_chart_of_more_lines_has_finer_steps() -> None:
    assert chart([0, 4, 6, 8], 4, 2) == ["  ▄█", "▁███"]


def test_a_bar_shows_eighths_and_never_hides_something() -> None:
    assert bar(0.5, 4) == "██"
    assert bar(1.5, 4) == "████"
    assert bar(0.0, 4) == ""
    assert bar(1e-9, 4) == "▏"
    assert bar(0.5, 1) == "▌"
    assert bar(0.5, 0) == ""


def test_a_logarithmic_share_keeps_the_order() -> None:
    shares = [log_share(count, 1_000_000) for count in (0, 1, 100, 1_000_000)]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("paise", "text"),
    [
        (1, "₹0.01"),
        (99_999, "₹999.99"),
        (100_000, "₹1,000.00"),
        (12_345_678, "₹1,23,456.78"),
        (10**10, "₹10,00,00,000.00"),
        (1_000_000_000, "₹1,00,00,000.00"),
    ],
)
def test_rupees_are_written_in_lakhs_and_crores(paise: int, text: str) -> None:
    assert rupees(paise) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.0, "0 s"),
        (2e-6, "2 us"),
        (0.00025, "250 us"),
        (0.0041, "4.1 ms"),
        (0.25, "250 ms"),
        (2.5, "2.5 s"),
        (300, "300 s"),
    ],
)
def test_durations_have_the_unit_that_fits(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_shares_and_times() -> None:
    assert share(0.1234, 1) == "12.3 %"
    assert share(None) == "-"
    assert indian_time(MOMENT) == "Tue 06 Jan 2026 14:05"


def test_a_recorded_histogram_is_shown_as_its_quantiles() -> None:
    buckets = Buckets((0.01, 0.1, float("inf")), (50, 100, 100), 3.0)
    picture = replace(LIVE, latency=Latency(buckets.quantile(0.5), buckets.quantile(0.99)))
    assert "p50 10 ms  p99 98 ms" in "\n".join(drawn(picture, 80, 24))
