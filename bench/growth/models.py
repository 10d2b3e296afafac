"""Growth of the model: score and exact contributions by number of trees, and by depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from bench import score
from bench.growth.curve import Curve, Point
from model.calibration import fit_calibration
from model.compiled.compile import compile_tables
from model.compiled.scoring import Scorer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BATCH = 512
LEAVES = 31
MOST_LEAVES = 65
TREES, DEPTH = 100, 6
ROWS = 20_000


def trees(counts: Sequence[int], *, rounds: int, say: Callable[[str], None]) -> Curve:
    """Let one model grow tree by tree."""
    vectors, fraud = score.history(ROWS, seed=0)
    estimator = _estimator(counts[0], LEAVES, DEPTH, warm_start=True)
    points = []
    for count in counts:
        estimator.set_params(max_iter=count)
        points.append(_point(count, estimator.fit(vectors, fraud), vectors, fraud, rounds))
        say(points[-1].line())
    return Curve("trees", "trees", points, f"{LEAVES} leaves, depth {DEPTH}, micro-batches of {BATCH}")


def depths(counts: Sequence[int], *, rounds: int, say: Callable[[str], None]) -> Curve:
    """Let the trees be deeper, full as far as the rows and the 64 conditions of a compiled tree allow."""
    vectors, fraud = score.history(ROWS, seed=0)
    points = []
    for depth in counts:
        estimator = _estimator(TREES, min(2**depth, MOST_LEAVES), depth).fit(vectors, fraud)
        points.append(_point(depth, estimator, vectors, fraud, rounds))
        say(points[-1].line())
    about = f"{TREES} trees of up to 2 to the depth leaves, {MOST_LEAVES} at most; micro-batches of {BATCH}"
    return Curve("depth", "depth", points, about, logarithmic=False)


def _estimator(trees: int, leaves: int, depth: int, **more: Any) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_iter=trees, max_leaf_nodes=leaves, max_depth=depth, early_stopping=False, random_state=0, **more
    )


def _point(x: int, estimator: Any, vectors: Any, fraud: Any, rounds: int) -> Point:
    tables = compile_tables(estimator)
    low, high = tables.margin_range.tolist()
    scorer = Scorer(tables, fit_calibration(estimator.decision_function(vectors), fraud, (low, high)))

    def scored(at: int) -> None:
        start = at * BATCH % (len(vectors) - BATCH + 1)
        scorer.score(vectors[start : start + BATCH])

    with threadpool_limits(limits=1):
        least = score.measure([score.Contestant("score", scored, BATCH, 4)], rounds)
    return Point(x, {"score and contributions": least["score"]}, {"tables MB": scorer.tables.nbytes / 1e6})
