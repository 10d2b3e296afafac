"""`python -m deploy.grafana.preview --prometheus URL --out DIR`: pictures of the dashboards, without a Grafana.

Every panel of the committed JSON with what its queries answer, in its place. It is no Grafana: fonts, colours
and legends are matplotlib's. It shows whether a panel says something.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from deploy.grafana.__main__ import HERE
from deploy.grafana.preview.drawing import Drawing
from deploy.grafana.preview.source import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

LABEL: Final = "rendered by matplotlib from the dashboard's JSON and a live Prometheus; not a screenshot of Grafana"


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the dashboards into a directory; return 0."""
    parser = argparse.ArgumentParser(prog="python -m deploy.grafana.preview", description=__doc__)
    parser.add_argument("--prometheus", required=True, help="address, such as http://127.0.0.1:9090")
    parser.add_argument("--out", required=True, type=Path, help="directory of the pictures")
    parser.add_argument("--until", type=float, default=time.time(), help="epoch second of the right edge [now]")
    parser.add_argument("--seconds", type=float, default=3600, help="seconds that are shown [3600]")
    options = parser.parse_args(arguments)
    since, until = options.until - options.seconds, options.until
    source = Source(options.prometheus, since, until)
    options.out.mkdir(parents=True, exist_ok=True)
    for path in sorted(HERE.glob("*.json")):
        board: dict[str, Any] = json.loads(path.read_text())
        drawing = Drawing(board, LABEL, since, until)
        for panel in board["panels"]:
            drawing.add(panel, [_series(source, target) for target in panel.get("targets", [])])
        drawing.save(options.out / f"{path.stem}.png")
        print(options.out / f"{path.stem}.png")
    return 0


def _series(source: Source, target: dict[str, Any]) -> list[tuple[str, list[float], list[float]]]:
    """Return the series of a query: name, seconds and values."""
    answered = source.now(target["expr"]) if target["instant"] else source.range(target["expr"])
    return [(_named(target["legendFormat"], labels), times, values) for labels, times, values in answered]


def _named(legend: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), legend)


if __name__ == "__main__":
    raise SystemExit(main())
