"""Train variants on one history and write the scores of its later payments; run by the code of either checkout.

It is a script because the earlier commit has no such package, and names only what both have.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from model.training.train import TrainingSettings, train

CHUNK = 8_192


def main(job: dict[str, Any]) -> None:
    """Print a line of JSON for each variant when its scores are written."""
    rows = np.load(job["rows"])
    vectors = np.load(job["vectors"], mmap_mode="r")
    fit, later = rows["fit"], rows["later"]
    for variant in job["variants"]:
        columns = variant["columns"]
        began = time.process_time()
        settings = TrainingSettings(**variant["settings"])
        trained = train(np.ascontiguousarray(vectors[fit][:, columns]), rows["fraud"], rows["event_time"], settings)
        seconds = time.process_time() - began
        scored = np.ascontiguousarray(vectors[later][:, columns])
        margins = [trained.scorer.score(scored[at : at + CHUNK]).margin for at in range(0, len(scored), CHUNK)]
        out = str(Path(job["out"]) / variant["file"])
        np.save(out, np.concatenate(margins))
        said = {"name": variant["name"], "scores": out, "seconds": seconds, "fitted": trained.facts["fitted_payments"]}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
