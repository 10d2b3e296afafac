"""Raw results become tables and plots; prose around them stays, and so does what there are no results of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bench import results
from bench.ablations.ablation import Ablation, Way
from bench.growth.curve import Curve, Point
from bench.histories import Used
from bench.load import Punctuality
from bench.peers.environment import ROOT
from bench.peers.facts import settings
from bench.report import http_tables, sections, tables, write
from bench.run import Run

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = {"index": 0.21, "load": 0.3, "cores": 2, "cpu": "Some CPU", "memory_bytes": 8 * 2**30, "python": "3.11.9",
           "commit": "0123456789abcdef"}  # fmt: skip


def a_run(name: str, wanted: float | None, **more: Any) -> Run:
    histogram = {"count": 5_000, "ms": {"p50": 12.5, "p99": 33.0, "max": 80.0}, "never seen": 0,
                 "points": [[0.0, 2.0], [50.0, 12.5], [90.0, 20.0], [99.0, 33.0], [100.0, 80.0]]}  # fmt: skip
    return Run(
        name, 10_000, 10.0, {"worker": 50.0, "redis": 30.0, "switch": 7.0}, {"decode": 4.0}, {"p50": 11.0, "p99": 30.0},
        [(0.0, 10.0), (10.0, 25.0)], wanted, {"worker": 0.5, "redis": 0.3, "switch": 0.1, "others": 0.2},
        {"worker": 0.3, "redis": 0.3}, 0.0, {"redis": 120.0, "postgres": 800.0, "write-ahead log": 900.0},
        {"worker": 200 * 2**20, "redis": 50 * 2**20}, Punctuality(10_000, 0, 0.1, 3.0, 20.0) if wanted else None,
        {"verdict durable": histogram, "alert readable": histogram,
         "looks apart": {"p50": 5.0, "p99": 8.0, "max": 20.0}}, **more,
    )  # fmt: skip


PARTS: dict[str, Any] = {
    "stages": [
        {"name": "decode", "us": {"worker": 4.0}, "note": ""},
        {"name": "rows", "us": {"worker": 2.0, "postgres": 10.0}, "note": "7 ms elapsed"},
    ],
    "ablations": [Ablation("rows", [Way("COPY", 10.0, "quick"), Way("executemany", 45.0)])],
    "peers": [
        {"name": "worker", "rate": 8_000.0, "us": {"own": 50.0, "redis": 30.0}, "rounds": []},
        {"name": "textbook", "rate": 100.0, "us": {"own": 6_000.0, "redis": 400.0}, "rounds": []},
    ],
    "backlog": a_run("backlog", None),
    "ramp": {
        "runs": [a_run("open loop 900/s", 900.0), a_run("open loop 1100/s", 1_100.0)],
        "knee": {"kept": 900.0, "failed": 1_100.0, "bound": "cores", "why": "all 2 cores are used up: worker 1.10"},
    },
    "latency": a_run("open loop 1000/s", 1_000.0),
    "sustain": a_run("open loop 1000/s", 1_000.0, accounted={"records": 10_000, "verdicts": 10_000}),
    "rounds": {"by default": [
        {"stage": "decode", "fixed": 340.0, "marginal": 2.5, "by_size": {"1": 343.0, "8": 360.0}},
        {"stage": "all", "fixed": 2_000.0, "marginal": 20.0, "by_size": {"1": 2_020.0, "8": 2_160.0}},
    ]},
    "rates": [
        {"variant": variant, "settings": {}, "rate": rate, "kept": kept,
         "run": a_run("open loop", rate, rounds=100.0, threads={"ways": 30.0, "event loop": 10.0})}
        for variant, rate, kept in (
            ("by default", 1_000.0, True), ("by default", 5_000.0, True), ("every verdict sent back", 1_000.0, False)
        )
    ],
    "growth": [
        Curve("trees", "trees", [Point(10, {"score": 1.0}, {"MB": 0.5}), Point(100, {"score": 9.0})], "all else alike")
    ],
    "histories": [
        Used("features", 2_000_000, 40.0, 70.0, 1_500_000_000, 900_000_000, "4GB"),
        Used("train", 2_000_000, 60.0, 90.0, 2_500_000_000, 800_000_000, "8GB"),
    ],
    "api-plain": {"medians": [
        {"who": who, "size": 100, "calls a second": 2.0, "statuses": {"200": 800}, "us": {who: own, "redis": 20_000.0},
         "net_us": {who: own, "redis": 10_000.0}, "ms": {"p50": 30.0, "p95": 40.0, "p99": 50.0}}
        for who, own in (("plain handler", 280_000.0), ("api", 10_000.0))
    ]},
    "api-stream": {
        "stream alone": {"calls": None, "stream": {"p50_ms": 20.0, "p99_ms": 50.0}},
        "deadline_ms=1000": {
            "calls": {"final_ms": {"p50": 25.0, "p95": 60.0, "p99": 90.0}, "final_share": 0.995, "us": {"api": 1_500.0},
                      "statuses": {"200": 995, "202": 5}},
            "stream": {"p50_ms": 21.0, "p99_ms": None},
        },
    },
    "api-crowd": {"callers": 100, "workers": 2, "rate": 812.4, "ms": {"p95": 200.0}, "statuses": {"200": 8_000},
                  "cores": {"api": 0.7}},
}  # fmt: skip


PARTS["goals"] = {which: {name: PARTS[name] for name in ("rounds", "rates", "backlog", "ramp")}
                  for which in ("before", "after")}  # fmt: skip


def as_read(parts: dict[str, Any], at: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    """What is read of a file with these results."""
    written = {"format": results.FORMAT, "measured_at": at, "machine": MACHINE, "parts": parts}
    return dict(json.loads(json.dumps(written, default=results.plain)))


def merged(parts: dict[str, Any]) -> dict[str, Any]:
    return results.merged([as_read(parts)])


def test_every_part_has_a_table() -> None:
    assert set(tables.all_of(merged(PARTS))) == {"machine", *PARTS}


@pytest.mark.parametrize("name", list(PARTS))
def test_every_row_of_a_table_has_as_many_cells_as_its_head(name: str) -> None:
    heads: list[int] = []
    lines = tables.all_of(merged(PARTS))[name].splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith("|"):
            if not before.startswith("|"):
                heads.append(line.count("|"))
            assert line.count("|") == heads[-1], line
    assert heads


def test_ratios_are_those_of_the_run() -> None:
    found = tables.all_of(merged(PARTS))
    assert "| rows | COPY | 10.00 | 1 (chosen) | quick |" in found["ablations"]
    assert "|  | executemany | 45.00 | 4.5 |  |" in found["ablations"]
    assert "| textbook | 100 | 80.00 | 6,000 | 400.0 | 6,400 | 80.00 |" in found["peers"]


def test_the_knee_is_said_above_its_table() -> None:
    found = tables.all_of(merged(PARTS))["ramp"]
    assert found.startswith("The knee: 900/s kept up, 1,100/s not; all 2 cores are used up: worker 1.10.")


def test_latency_is_beside_the_workers_own_word() -> None:
    found = tables.all_of(merged(PARTS))["latency"]
    assert "| verdict durable, by the observer | 12.5 | 33.0 | 80.0 | 5,000 | 0 |" in found
    assert "| effects done, by the worker's histogram | 11.0 | 30.0 |  | 10,000 |  |" in found
    assert "The switch was late by 0.1 ms (median)" in found


def test_a_round_beside_its_payments_is_by_the_fit_of_rounds_alone() -> None:
    found = tables.all_of(merged(PARTS))["rates"]
    # 50 us a payment, of which 20 are the payment's own, times 10 payments a round.
    assert "| by default: CPU a round beside its payments, ms | 0.30 | 0.30 |" in found
    assert "| by default: rounds/s of payments | 100 of 10.0 | 100 of 10.0 |" in found
    assert "| every verdict sent back: kept up | no, 1,000/s |  |" in found
    assert "| every verdict sent back: worker, us a payment more than by default | 0.00 |  |" in found


def test_versions_stand_beside_each_other_at_every_rate() -> None:
    found = tables.all_of(merged(PARTS))["goals"]
    assert "| payments a second | 1,000, before | 1,000, after | 5,000, before | 5,000, after |" in found
    assert "| round alone, by default: fixed, ms | 2.00 | 2.00 |" in found
    assert "| knee: kept up, payments/s | 900 | 900 |" in found


def test_what_a_version_was_not_measured_for_is_empty() -> None:
    parts = {**PARTS, "goals": {"before": {"backlog": PARTS["backlog"]}, "after": PARTS["goals"]["after"]}}
    found = tables.all_of(merged(parts))["goals"]
    assert "| knee: kept up, payments/s |  | 900 |" in found
    assert "| by default: kept up |  | yes |  | yes |" in found


def test_stages_alone_are_added_up() -> None:
    assert "| **sum** | **6.0** | **10.0** |  |" in tables.all_of(merged(PARTS))["stages"]


def test_the_allocator_of_redis_is_named_where_it_is_known() -> None:
    facts = {"rates": {**MACHINE, "measured_at": "a", "redis_allocator": "/lib/libjemalloc.so.2"}}
    assert "| libjemalloc.so.2 |" in tables.machines(facts)
    assert "| not noted |" in tables.machines({"rates": {**MACHINE, "measured_at": "a"}})


def test_settings_of_the_environment_are_named() -> None:
    kept = settings({"UPIFRAUD_REPLICA_CACHE_BYTES": "2147483648", "UPIFRAUD_IDENTITY_KEY": "0f" * 16, "HOME": "1"})
    assert kept == {"UPIFRAUD_REPLICA_CACHE_BYTES": "2147483648"}
    found = tables.machines({"rates": {**MACHINE, "measured_at": "a", "settings": kept}})
    assert "| `UPIFRAUD_REPLICA_CACHE_BYTES=2147483648` |" in found
    assert "| none |" in tables.machines({"rates": {**MACHINE, "measured_at": "a", "settings": {}}})


def test_of_the_long_run_what_waited_and_what_is_stored_is_told() -> None:
    found = tables.all_of(merged(PARTS))["sustain"]
    assert "Records that waited: median 25, most 25." in found
    assert "Verdicts stored in the end: 10,000 of 10,000 records." in found


def test_parts_of_later_files_stand_in_for_earlier_ones() -> None:
    early, late = (
        as_read({"peers": 1, "growth": 2}, "2026-01-01T00:00:00Z"),
        as_read({"growth": 3}, "2026-02-02T00:00:00Z"),
    )
    found = results.merged([early, late])
    assert found["parts"] == {"peers": 1, "growth": 3}
    assert found["machines"]["peers"]["measured_at"] == "2026-01-01T00:00:00Z"
    assert found["machines"]["growth"]["measured_at"] == "2026-02-02T00:00:00Z"


def test_a_part_in_pieces_is_put_together_in_order_each_piece_from_its_latest_run() -> None:
    early = as_read({"growth, trees": 1, "growth, depth": 2}, "2026-01-01T00:00:00Z")
    found = results.merged([early, as_read({"growth, trees": 3}, "2026-02-02T00:00:00Z")])
    assert found["parts"] == {"growth": [3, 2]}
    assert found["machines"]["growth, trees"]["measured_at"] == "2026-02-02T00:00:00Z"


def page_with(*names: str) -> str:
    generated = "generated by `make bench-report`"
    marks = [f"<!-- bench {name}: {generated} -->\nold {name}\n<!-- bench {name}: end -->" for name in names]
    return "# Benchmarks\n\nProse before.\n\n" + "\n\nProse between.\n\n".join(marks) + "\n\nProse behind.\n"


def test_what_is_outside_of_the_markers_stays() -> None:
    found = sections.replace(page_with("peers", "growth"), "growth", "new")
    assert "old peers" in found
    assert "old growth" not in found
    assert found.count("Prose") == 3
    assert sections.replace(found, "growth", "new") == found, "the same again changes nothing"


def test_a_page_without_a_place_for_a_table_is_an_error() -> None:
    with pytest.raises(sections.MissingSectionError, match="bench growth"):
        sections.replace(page_with("peers"), "growth", "new")


@pytest.mark.slow
def test_the_page_gets_tables_and_plots(tmp_path: Path) -> None:
    page, images = tmp_path / "docs" / "benchmarks.md", tmp_path / "docs" / "images" / "benchmarks"
    page.parent.mkdir()
    page.write_text(page_with("machine", *PARTS))
    written = list(write(merged(PARTS), page, images))
    assert {path.name for path in written} == {
        "benchmarks.md", "ramp.png", "latency.png", "sustain.png", "growth.png", "ablations.png", "peers.png",
        "histories.png",
    }  # fmt: skip
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written[:-1])
    text = page.read_text()
    assert "(images/benchmarks/ramp.png)" in text
    assert "old" not in text


def test_what_there_are_no_results_of_stays_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(page_with("machine", "peers", "growth"))
    list(write(merged({"peers": PARTS["peers"]}), page, tmp_path / "images"))
    assert "old growth" in page.read_text()
    assert not (tmp_path / "images" / "growth.png").exists()


def test_results_are_written_whole_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "results" / "one.json"
    results.write(path, as_read(PARTS))
    assert results.read(path)["parts"]["backlog"]["rate"] == 1_000.0
    assert [one.name for one in path.parent.iterdir()] == ["one.json"]


def test_results_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text('{"index": 0.2}')
    with pytest.raises(ValueError, match=r"other\.json"):
        results.read(path)


def test_the_page_has_a_place_for_every_part() -> None:
    page = ROOT / "docs" / "benchmarks.md"
    for name in ("machine", *tables.TABLES):
        sections.replace(page.read_text(), name, "")


def test_the_api_is_held_against_the_plain_handler_by_all_processes_and_payment():
    told = http_tables.plain(PARTS["api-plain"])
    plain, api = told.splitlines()[2:]
    assert "| 2,800 |" in plain
    assert "| 3,000 | 2,900 | 1.00 |" in plain, "all, without idling, times its own"
    assert "| 300.0 | 200.0 | 0.10 |" in api
    assert "800 x 200" in api


def test_calls_beside_the_stream_and_the_crowd_are_told():
    alone, beside = http_tables.stream(PARTS["api-stream"]).splitlines()[2:]
    assert alone.endswith("| 20 | 50 |")
    assert "| 25 | 60 | 90 | 99.5 % | 995 x 200, 5 x 202 | 1,500 | 21 |  |" in beside
    assert "nothing on the topic | 812 |  | 200 |" in http_tables.crowd(PARTS["api-crowd"])
