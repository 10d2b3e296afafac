"""The bench of rankings: its figures are the known ones, its histories repeat, and its variants cover what is new."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from bench.ranking import fit, histories
from bench.ranking.checkouts import Checkout
from bench.ranking.figures import Standing, average_precision, compare, recall, standing
from bench.ranking.histories import DAY_MS, SHAPE, START_MS, Sizes
from bench.ranking.report import BY, PLOT, write_report
from bench.ranking.run import Bench, read
from bench.ranking.shape import CUSTOMER, MERCHANT, Size, write_shape
from bench.ranking.variants import BEFORE, GROUPS, NOW, OLD_TRAINING, PARTS, TOGETHER, variants

RNG = np.random.default_rng(7)
NEW = tuple(name for group in GROUPS.values() for name in group)


def ranked(lift: float, *, seed: int = 0, payments: int = 4_000) -> Standing:
    """Return where the frauds of made-up payments stand whose scores are lifted so much."""
    rng = np.random.default_rng(seed)
    typology = np.where(rng.random(payments) < 0.02, np.where(rng.random(payments) < 0.5, "a", "b"), "")
    scores = rng.normal(size=payments) + lift * (typology != "")
    return standing(scores, typology, rng.integers(1, 12, payments))


def test_average_precision_is_scikit_learns() -> None:
    from sklearn.metrics import average_precision_score

    typology = np.where(RNG.random(3_000) < 0.05, "x", "")
    scores = np.round(RNG.normal(size=3_000) + (typology != ""), 6)
    scores[typology == ""] = np.round(scores[typology == ""], 1)  # genuine payments may tie
    where = standing(scores, typology, np.zeros(3_000, dtype=np.int64))
    assert average_precision(where) == pytest.approx(average_precision_score(typology != "", scores), abs=1e-12)


def test_a_typology_is_ranked_among_genuine_payments_only() -> None:
    typology = np.array(["a", "b", "", "b", "", ""])
    where = standing(np.array([9.0, 8, 7, 6, 5, 4]), typology, np.arange(6))
    assert average_precision(where.of("b")) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(where.of("a")) == 1


def test_recall_is_the_share_of_frauds_that_the_budget_reaches() -> None:
    typology = np.array(["a", "", "a", "", "", "", "a", "", "", ""])
    where = standing(-np.arange(10.0), typology, np.arange(10))
    assert recall(where, 0.3) == pytest.approx(2 / 3)
    assert recall(where, 0.1) == pytest.approx(1 / 3)


def test_a_better_ranking_is_found_better_and_the_same_one_is_not() -> None:
    same = [(ranked(2.0, seed=seed), ranked(2.0, seed=seed)) for seed in range(5)]
    better = [(ranked(1.0, seed=seed), ranked(2.5, seed=seed)) for seed in range(5)]
    assert compare(same).difference == compare(same).low == compare(same).high == 0
    found = compare(better)
    assert found.low > 0
    assert found.low < found.difference < found.high
    assert found.difference == pytest.approx(found.after - found.before)


def test_seeds_without_frauds_of_a_typology_are_left_out() -> None:
    none = ranked(1.0).of("nowhere")
    pairs = [(ranked(1.0, seed=seed), ranked(2.0, seed=seed)) for seed in range(2)]
    assert compare([*pairs, (none, none)]) == compare(pairs)


def checkout(features: tuple[str, ...], **settings: float) -> Checkout:
    return Checkout(Path(), features, settings)


def test_every_new_feature_is_in_one_group() -> None:
    assert len(set(NEW)) == len(NEW)
    now, before = checkout(("old", *NEW)), checkout(("old",))
    assert len(variants(PARTS, now, before)) > 2 * len(GROUPS)
    with pytest.raises(ValueError, match="without one: \\['newer'\\]"):
        variants(["without"], checkout(("old", "newer", *NEW)), before)
    with pytest.raises(ValueError, match="in a group but not new: \\['payee_fraud_count_24h'\\]"):
        variants(["alone"], now, checkout(("old", "payee_fraud_count_24h")))


def test_a_variant_lacks_its_group_or_has_it_alone() -> None:
    now, before = checkout(("old", *NEW)), checkout(("old",))
    by_name = {one.name: one for one in variants(PARTS, now, before)}
    assert set(NEW) - set(by_name["without quotients"].features) == set(TOGETHER["quotients"])
    assert by_name["only quotients"].features == ("old", *TOGETHER["quotients"])
    assert by_name["now without quotients"].settings == {}, "as models are trained"
    assert by_name[BEFORE].by_earlier_code
    assert not by_name[NOW].by_earlier_code


def test_settings_go_back_one_by_one_and_together() -> None:
    now, before = checkout(NEW, leaves=16, l2=30.0, seed=0, limit=5), checkout((), leaves=31, l2=1.0, seed=0)
    found = {one.name: one.settings for one in variants(["training"], now, before)}
    assert found["leaves of before"] == {"leaves": 31}
    assert found["l2 of before"] == {"l2": 1.0}
    assert found[OLD_TRAINING] == {"leaves": 31, "l2": 1.0}
    assert "limit of before" not in found, "what the earlier code did not have cannot go back"


def test_the_shape_repeats_by_seed_and_its_frauds_come_again(tmp_path: Path) -> None:
    size = Size(customers=200, merchants=80)
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        write_shape(seed, size, tmp_path / name)
    one, again, other = (
        [pq.read_table(tmp_path / name / f"{file}.parquet") for file in ("payments", "outcomes", "truth")]
        for name in ("one", "again", "other")
    )
    assert one == again
    assert one[0] != other[0]
    payments, outcomes, truth = one
    typology, campaign = np.array(truth["typology"].to_pylist()), truth["campaign"].to_numpy()
    assert set(typology.tolist()) == {"", MERCHANT, CUSTOMER}
    payee = np.array(payments["payee_vpa"].to_pylist())
    for number in np.unique(campaign[typology == MERCHANT]):
        assert len(set(payee[campaign == number])) == 1
    hits = np.unique(payee[typology == MERCHANT], return_counts=True)[1]
    assert hits.max() > 5
    delay = outcomes["reported_at"].to_numpy() - payments["event_time"].to_numpy()
    assert (delay == 7 * DAY_MS).all()


def test_a_history_is_cut_in_time_and_labelled_by_what_was_known(tmp_path: Path) -> None:
    sizes = Sizes(payers=1_000, days=40)
    histories.write(SHAPE, 1, sizes, tmp_path)
    rows = histories.cut(tmp_path, sizes)
    event_time = pq.read_table(tmp_path / "payments.parquet")["event_time"].to_numpy()
    known = START_MS + sizes.known * DAY_MS
    assert (np.diff(event_time) >= 0).all()
    assert event_time[rows.fit].max() < START_MS + sizes.until * DAY_MS < known <= event_time[rows.later].min()
    assert rows.fraud.any()
    assert rows.event_time[rows.fraud].max() < known - 7 * DAY_MS, "labels come a week later"
    truth = np.array(pq.read_table(tmp_path / "truth.parquet")["typology"].to_pylist())[rows.fit]
    assert ((truth != "") & ~rows.fraud).any(), "not every fraud is known at the cut"


def test_a_simulator_without_reused_payees_is_the_one_of_before(tmp_path: Path) -> None:
    sizes = Sizes(payers=1_500, days=8)
    for kind in ("today", "reused"):
        histories.write(kind, 1, sizes, tmp_path / kind)
    typologies = [
        set(pq.read_table(tmp_path / kind / "truth.parquet")["typology"].to_pylist()) for kind in ("today", "reused")
    ]
    assert "reused_payee" not in typologies[0]
    assert "reused_payee" in typologies[1]


@pytest.mark.slow
def test_a_job_writes_the_scores_of_later_payments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    fraud = rng.random(6_000) < 0.05
    vectors = rng.normal(size=(6_000, 4)).astype(np.float32)
    vectors[:, 2] += 3 * fraud
    np.save(tmp_path / "vectors.npy", vectors)
    fitted, later = np.arange(5_000), np.arange(5_000, 6_000)
    np.savez(
        tmp_path / "rows.npz", fit=fitted, later=later, fraud=fraud[fitted], event_time=fitted.astype(np.int64) * 1_000
    )
    ways = {"with it": [0, 2], "without it": [0, 1]}
    fit.main(
        {
            "rows": str(tmp_path / "rows.npz"),
            "vectors": str(tmp_path / "vectors.npy"),
            "out": str(tmp_path),
            "variants": [
                {"name": name, "file": f"{len(name)}.npy", "columns": columns, "settings": {"trees": 20}}
                for name, columns in ways.items()
            ],
        }
    )
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["name"] for one in said] == list(ways)
    truth = np.where(fraud[later], "x", "")
    found = [average_precision(standing(np.load(one["scores"]), truth, later)) for one in said]
    assert found[0] > 0.5 > 0.2 > found[1]


def result(kind: str, seed: int, variant: str, lift: float) -> dict[str, object]:
    where = ranked(lift, seed=seed)
    return {
        "kind": kind,
        "seed": seed,
        "variant": variant,
        "average_precision": average_precision(where),
        "recall_at_budget": recall(where),
        "by_typology": {},
        "fit_frauds": 100,
        "payments": where.payments,
        "frauds": len(where.above),
        "of_reported_payees": 0.25,
        "frauds_at": [where.above.tolist(), where.typology.tolist(), where.campaign.tolist()],
    }


def test_a_report_says_what_helps_and_what_hurts(tmp_path: Path) -> None:
    without = {"without quotients": 1.0, "without round amounts": 3.0, "without payer to payee": 2.0}
    lifts = {BEFORE: 1.0, NOW: 2.5, "all groups": 2.0, **without}
    lines = [json.dumps(result("today", seed, name, lift)) for name, lift in lifts.items() for seed in range(5)]
    (tmp_path / "found.jsonl").write_text("\n".join(lines) + "\n")
    page = tmp_path / "page.md"
    names = ("typologies", "features", "training", "seeds")
    page.write_text(
        "".join(
            f"<!-- bench ranking {one}: generated by `{BY}` -->\n<!-- bench ranking {one}: end -->\n" for one in names
        )
    )
    write_report(tmp_path / "found.jsonl", page)
    text = page.read_text()
    table = {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines() if line.startswith("| ")}
    assert "| helps |" in table["quotients"]
    assert "| hurts |" in table["round amounts"]
    assert "| not certain |" in table["payer to payee"]
    assert "new payees" not in table, "what was not measured has no row"
    assert "+0." in table["**all**"]
    assert (tmp_path / PLOT).read_bytes().startswith(b"\x89PNG")


def test_a_report_of_nothing_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--parts main"):
        write_report(tmp_path / "none.jsonl", tmp_path / "page.md")


def test_what_has_a_result_is_not_made_again(tmp_path: Path) -> None:
    results = tmp_path / "found.jsonl"
    results.write_text("".join(json.dumps(result("today", 1, name, 1.0)) + "\n" for name in (BEFORE, NOW)))
    said: list[str] = []
    nowhere = checkout(("old", *NEW))
    bench = Bench(nowhere, checkout(("old",)), Sizes(), tmp_path / "files", results, said.append)
    bench.rank("today", 1, ["main"], measured_by_both=False)
    assert not said
    assert len(read(results)) == 2
    assert not (tmp_path / "files").exists()


def test_a_script_that_fails_is_an_error(tmp_path: Path) -> None:
    script = tmp_path / "fails.py"
    script.write_text("print('begun')\nraise SystemExit(3)\n")
    with pytest.raises(RuntimeError, match="ended with 3"):
        list(Checkout(tmp_path, (), {}).lines(script))
