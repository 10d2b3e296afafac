"""Tables and a plot of results that were written: before and now by typology, and what each new part is worth."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bench.ranking.figures import Standing, compare
from bench.ranking.histories import KINDS, REUSED, SHAPE, TODAY
from bench.ranking.run import read
from bench.ranking.variants import ALL, BEFORE, DOUBTFUL, GROUPS, NONE, NOW, OLD_FEATURES, OLD_TRAINING, TOGETHER, TRIED
from bench.report.sections import replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.ranking.figures import Change

BY = "python -m bench.ranking --report"
PLOT = Path("images") / "ranking.png"
"""Beside the page."""
SEEDS = 5
Found = dict[tuple[str, int, str], dict[str, Any]]
"""Results by kind, seed and variant."""


class Column(NamedTuple):
    """What a change is looked at by: all frauds of a kind of history, or those of one typology."""

    kind: str
    typology: str | None = None

    def __str__(self) -> str:
        """Return the column's head."""
        return self.kind if self.typology is None else f"{self.kind}, `{self.typology}`"


COLUMNS = (Column(TODAY), Column(REUSED), Column(REUSED, "reused_payee"), Column(SHAPE))


class Worth(NamedTuple):
    """By how much average precision rises over some seeds."""

    mean: float
    error: float
    """Standard error of the mean."""
    seeds: int

    @property
    def sign(self) -> int:
        """1 or -1 where the mean differs from 0 by a 95 % interval of Student's t, else 0."""
        from scipy.stats import t  # type: ignore[import-untyped]

        return int(np.sign(self.mean)) if abs(self.mean) > t.ppf(0.975, self.seeds - 1) * self.error else 0


def write_report(results: Path, page: Path) -> None:
    """Write the tables of results into a page, and the plot beside it. Raises ValueError where there are no results."""
    found: Found = {(one["kind"], one["seed"], one["variant"]): one for one in read(results)}
    changes = {kind: _changes(found, kind) for kind in KINDS}
    changes = {kind: change for kind, change in changes.items() if change}
    if not changes:
        raise ValueError(f"{results}: expected histories ranked before and now, found none; run --parts main first.")
    tables = {
        "typologies": _typologies(changes),
        "features": _groups(found),
        "training": _training(found),
        "seeds": _seeds(found),
    }
    text = page.read_text()
    for name, lines in tables.items():
        text = replace(text, f"ranking {name}", "\n".join(lines).strip(), BY)
    page.write_text(text)
    plot = page.parent / PLOT
    plot.parent.mkdir(exist_ok=True)
    plot.write_bytes(_plot(changes))


def _pairs(found: Found, kind: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    seeds = sorted({seed for other, seed, variant in found if other == kind and variant == NOW})
    return [(found[kind, seed, BEFORE], found[kind, seed, NOW]) for seed in seeds if (kind, seed, BEFORE) in found]


def _standing(one: Mapping[str, Any]) -> Standing:
    above, typology, campaign = one["frauds_at"]
    return Standing(np.array(above), np.array(typology), np.array(campaign), one["payments"])


def _changes(found: Found, kind: str) -> dict[str, tuple[int, Change]]:
    """Return by typology, and for all, how many frauds there are and how their average precision changed."""
    pairs = [(_standing(before), _standing(now)) for before, now in _pairs(found, kind)]
    if not pairs:
        return {}
    names = sorted({name for before, _ in pairs for name in before.typology.tolist()})
    return {"all": (sum(len(one.above) for one, _ in pairs), compare(pairs))} | {
        name: (
            sum(len(one.of(name).above) for one, _ in pairs),
            compare([(before.of(name), now.of(name)) for before, now in pairs]),
        )
        for name in names
    }


def _seeds(found: Found) -> Iterator[str]:
    """Yield each seed's own figures."""
    names = ("history", "seed", "frauds that train", "payments ranked", "frauds", "of payees reported before")
    yield f"| {' | '.join(names)} | AP before, now | recall at budget before, now |"
    yield "|---" * 8 + "|"
    for kind in KINDS:
        for before, now in _pairs(found, kind):
            yield (
                f"| {kind} | {now['seed']} | {now['fit_frauds']:,} | {now['payments']:,} | {now['frauds']:,} "
                f"| {now['of_reported_payees']:.0%} "
                f"| {before['average_precision']:.3f}, {now['average_precision']:.3f} "
                f"| {before['recall_at_budget']:.3f}, {now['recall_at_budget']:.3f} |"
            )
    yield ""


def _typologies(changes: Mapping[str, Mapping[str, tuple[int, Change]]]) -> Iterator[str]:
    for kind, by_name in changes.items():
        yield from (f"**{KINDS[kind]}**", "")
        yield "| typology | frauds | AP before | AP now | difference ± standard error | 95 % interval |"
        yield "|---|---|---|---|---|---|"
        for name, (frauds, change) in by_name.items():
            shown = "**all**" if name == "all" else f"`{name}`"
            yield (
                f"| {shown} | {frauds:,} | {change.before:.3f} | {change.after:.3f} "
                f"| {change.difference:+.3f} ± {change.error:.3f} | {change.low:+.3f} to {change.high:+.3f} |"
            )
        yield ""


def _worth(found: Found, column: Column, first: str, second: str) -> Worth | None:
    """Return by how much the average precision of the second is above the first's: mean over seeds, and its error."""
    pairs = [
        (_precision(found[kind, seed, first], column), _precision(one, column))
        for (kind, seed, variant), one in found.items()
        if kind == column.kind and variant == second and (kind, seed, first) in found
    ]
    differences = np.array([after - before for before, after in pairs if before is not None and after is not None])
    if len(differences) < 2:
        return None
    return Worth(
        float(differences.mean()), float(differences.std(ddof=1) / np.sqrt(len(differences))), len(differences)
    )


def _precision(one: Mapping[str, Any], column: Column) -> float | None:
    if column.typology is None:
        return float(one["average_precision"])
    return one["by_typology"].get(column.typology)  # type: ignore[no-any-return]


def _cell(worth: Worth | None) -> str:
    """Return a difference; of fewer seeds than usual with their number."""
    if worth is None:
        return ""
    return f"{worth.mean:+.3f} ± {worth.error:.3f}" + (f" ({worth.seeds} seeds)" if worth.seeds < SEEDS else "")


def _verdict(worths: Sequence[Worth | None], alone: Sequence[Worth | None] = ()) -> str:
    """Say whether a part helps on some kind of history, hurts on some, or neither is certain.

    worths: one for each of COLUMNS. What it does to one typology alone is shown, and decides nothing.
    """
    signs = _signs(worths)
    if signs - {0}:
        return "helps and hurts" if signs >= {1, -1} else "helps" if 1 in signs else "hurts"
    return "helps alone" if 1 in _signs(alone) else "not certain"


def _signs(worths: Sequence[Worth | None]) -> set[int]:
    return {worth.sign for worth, column in zip(worths, COLUMNS, strict=False) if worth and column.typology is None}


def _groups(found: Found) -> Iterator[str]:
    """Yield what each group adds to all others and to none; columns without any figure are left out."""
    rows = {}
    for name in GROUPS | TOGETHER:
        last = [_worth(found, column, f"without {name}", ALL) for column in COLUMNS]
        alone = [_worth(found, column, NONE, f"only {name}") for column in COLUMNS]
        rows[name] = [*map(_cell, last), _verdict(last, alone), *map(_cell, alone)]
    for name in DOUBTFUL:
        last = [_worth(found, column, f"now without {name}", NOW) for column in COLUMNS]
        rows[f"{name}, as models are trained"] = [*map(_cell, last), _verdict(last), *([""] * len(COLUMNS))]
    heads = [*(f"{column}: last one in" for column in COLUMNS), "verdict", *(f"{column}: alone" for column in COLUMNS)]
    yield from _table(["group of features", *heads], rows)


def _table(heads: Sequence[str], rows: Mapping[str, Sequence[str]]) -> Iterator[str]:
    kept = [at for at in range(len(heads) - 1) if any(cells[at] for cells in rows.values())]
    yield f"| {' | '.join([heads[0], *(heads[at + 1] for at in kept)])} |"
    yield "|---" * (len(kept) + 1) + "|"
    for name, cells in rows.items():
        if any(cells[at] for at in kept if cells[at] != _verdict([])):
            yield f"| {' | '.join([name, *(cells[at] for at in kept)])} |"


def _training(found: Found) -> Iterator[str]:
    ways = {"all features": (OLD_FEATURES, NOW), "all of training": (OLD_TRAINING, NOW)}
    back = sorted({variant for _, _, variant in found if variant.endswith(" of before")})
    ways |= {f"`{variant.removesuffix(' of before')}`": (variant, NOW) for variant in back}
    ways |= {f"tried: `{variant}`": (NOW, variant) for variant in TRIED}
    rows = {}
    for name, (first, second) in ways.items():
        worths = [_worth(found, column, first, second) for column in COLUMNS]
        rows[name] = [*map(_cell, worths), _verdict(worths)]
    yield from _table(["change", *map(str, COLUMNS), "verdict"], rows)


def _plot(changes: Mapping[str, Mapping[str, tuple[int, Change]]]) -> bytes:
    """Draw average precision before and now by typology, a panel for each kind of history."""
    from matplotlib.figure import Figure

    lines = (len(changes) + 1) // 2
    figure = Figure(figsize=(10, 4 * lines), layout="constrained")
    for number, (kind, by_name) in enumerate(changes.items(), 1):
        axes = figure.add_subplot(lines, 2, number)
        names = list(by_name)[::-1]
        places = np.arange(len(names))
        axes.barh(places + 0.2, [by_name[name][1].before for name in names], 0.38, label="before", color="0.7")
        now = [by_name[name][1] for name in names]
        reach = [
            [max(0.0, one.difference - one.low) for one in now],
            [max(0.0, one.high - one.difference) for one in now],
        ]
        axes.barh(places - 0.2, [one.after for one in now], 0.38, xerr=reach, label="now", color="C0", ecolor="0.3")
        axes.set_yticks(places, [f"{name} ({by_name[name][0]:,})" for name in names])
        axes.set(title=kind, xlabel="average precision", xlim=(0, 1))
        axes.grid(visible=True, axis="x", alpha=0.3)
        axes.legend(loc="lower right")
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=90, metadata={"Software": None})
    return png.getvalue()
