"""One history after the other: made, measured, trained on in each way, and each way's figures written at once."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.ranking import fit, histories
from bench.ranking.figures import average_precision, recall, standing
from bench.ranking.variants import BEFORE, NOW, TRIED, variants

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.ranking.checkouts import Checkout
    from bench.ranking.histories import Cut, Sizes
    from bench.ranking.variants import Variant

KNOWN_PAYEE = "payee_fraud_rate_30d"
KEPT_WHOLE = (BEFORE, NOW, *TRIED)
"""Variants whose every fraud's place is written, so that intervals can be made of them."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What histories are ranked with, and where files and results go."""

    now: Checkout
    before: Checkout
    sizes: Sizes
    directory: Path
    results: Path
    say: Callable[[str], None]

    def rank(self, kind: str, seed: int, parts: Sequence[str], *, measured_by_both: bool) -> None:
        """Make a history, rank it in each way of the parts that has no result yet, and remove it."""
        done = {(one["kind"], one["seed"], one["variant"]) for one in read(self.results)}
        wanted = [one for one in variants(parts, self.now, self.before) if (kind, seed, one.name) not in done]
        if not wanted:
            return
        directory = self.directory / f"{kind}-{seed}"
        self.say(f"{kind}, seed {seed}: {len(wanted)} ways to train")
        if not (directory / "now.npy").exists():
            self._measure(kind, seed, directory, measured_by_both=measured_by_both)
        rows = histories.cut(directory, self.sizes)
        np.savez(directory / "rows.npz", fit=rows.fit, later=rows.later, fraud=rows.fraud, event_time=rows.event_time)
        facts = self._facts(directory, rows)
        for checkout, earlier in ((self.before, True), (self.now, False)):
            mine = [one for one in wanted if one.by_earlier_code is earlier]
            if mine:
                self._fit(checkout, mine, (kind, seed), directory, rows, facts)

    def forget(self, kind: str, seed: int) -> None:
        """Remove what was made of a history."""
        shutil.rmtree(self.directory / f"{kind}-{seed}", ignore_errors=True)

    def _measure(self, kind: str, seed: int, directory: Path, *, measured_by_both: bool) -> None:
        histories.write(kind, seed, self.sizes, directory)
        files = directory / "payments.parquet", directory / "outcomes.parquet"
        names: dict[str, list[str]] = {}
        for name, checkout in (("before", self.before), ("now", self.now)):
            if name == "now" or measured_by_both:
                table = directory / f"{name}.parquet"
                checkout.measure(*files, table)
                names[name] = histories.read_vectors(table, directory / f"{name}.npy")
                table.unlink()
        if measured_by_both:
            columns = [names["now"].index(name) for name in names["before"]]
            old = np.load(directory / "before.npy").view(np.uint32)
            new = np.load(directory / "now.npy", mmap_mode="r")[:, columns].view(np.uint32)
            differing = [
                name for name, equal in zip(names["before"], (old == new).all(axis=0), strict=True) if not equal
            ]
            if differing:
                raise ValueError(f"{kind}, seed {seed}: vectors of both differ in {', '.join(differing)}.")
            self.say(f"    the {len(columns)} columns of both are equal to the bit")

    def _facts(self, directory: Path, rows: Cut) -> dict[str, Any]:
        fraud = rows.typology != ""
        known = np.load(directory / "now.npy", mmap_mode="r")[rows.later, self.now.features.index(KNOWN_PAYEE)] > 0
        return {
            "fit_payments": len(rows.fit),
            "fit_frauds": int(rows.fraud.sum()),
            "payments": len(rows.later),
            "frauds": int(fraud.sum()),
            "of_reported_payees": float(known[fraud].mean()),
            "sizes": asdict(self.sizes),
        }

    def _fit(  # what one run of a checkout needs
        self,
        checkout: Checkout,
        mine: list[Variant],
        history: tuple[str, int],
        directory: Path,
        rows: Cut,
        facts: dict[str, Any],
    ) -> None:
        """Train and score by one checkout's code. The earlier code gets its own columns of the vectors of now.

        They are equal to the bit to what it measures itself: `measured_by_both` checks that.
        """
        job = {
            "rows": str(directory / "rows.npz"),
            "vectors": str(directory / "now.npy"),
            "out": str(directory),
            "variants": [
                {
                    "name": one.name,
                    "file": f"scores-{number}.npy",
                    "columns": [self.now.features.index(name) for name in one.features],
                    "settings": one.settings,
                }
                for number, one in enumerate(mine)
            ],
        }
        path = directory / "job.json"
        path.write_text(json.dumps(job))
        for line in checkout.lines(Path(fit.__file__), str(path)):
            said = json.loads(line)
            self._note(history, said, standing(np.load(said["scores"]), rows.typology, rows.campaign), facts)

    def _note(self, history: tuple[str, int], said: dict[str, Any], where: Any, facts: dict[str, Any]) -> None:
        kind, seed = history
        typologies = sorted(set(where.typology.tolist()))
        found = {
            "kind": kind,
            "seed": seed,
            "variant": said["name"],
            "average_precision": average_precision(where),
            "recall_at_budget": recall(where),
            "by_typology": {one: average_precision(where.of(one)) for one in typologies},
            "fitted": said["fitted"],
            "seconds": round(said["seconds"], 1),
            **facts,
        }
        if said["name"] in KEPT_WHOLE:
            _, campaign = np.unique(where.campaign, return_inverse=True)
            found["frauds_at"] = [where.above.tolist(), where.typology.tolist(), campaign.tolist()]
        with self.results.open("a") as file:
            file.write(json.dumps(found) + "\n")
        self.say(f"    {said['name']:<40} AP {found['average_precision']:.4f}  {said['seconds']:.1f} s")


def read(results: Path) -> list[dict[str, Any]]:
    """Read results that were written so far; none where there is no file."""
    return [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
