"""Tries the shipped settings on a recorded run and on whole days, and writes docs/autoscaling and its table.

python -m deploy.autoscaling           everything; some minutes
python -m deploy.autoscaling run       the plot of the recorded run only
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from deploy.autoscaling import days, plots, report
from deploy.autoscaling.account import account
from deploy.autoscaling.recording import Recording
from deploy.autoscaling.replay import replay
from deploy.autoscaling.settings import candidates, production
from deploy.autoscaling.simulation import simulate

DOCS = Path(__file__).parents[2] / "docs"
PLOTTED = ("lag alone", "shipped")


def main() -> None:
    """Write what was asked for."""
    target = DOCS / "autoscaling"
    target.mkdir(exist_ok=True)
    if (target / "run.json").exists():
        recording = Recording.load(target / "run.json")
        (target / "run.png").write_bytes(plots.run(recording, replay(recording)))
    if sys.argv[1:] == ["run"]:
        return
    loads = {
        "day": ("A day of UPI", days.usual, float(days.DAY), None, 3.0),
        "salary": ("A salary day with two surges", days.salary, float(days.DAY), None, 3.0),
        "outage": ("An evening with ten minutes of outage", days.evening, 3.0 * days.HOUR, days.OUTAGE, 1.0),
    }
    cluster, whole = production(), {}
    for name, (title, load, seconds, outage, step) in loads.items():
        courses = {
            label: simulate(scaled, cluster, load, seconds, step=step, outage=outage)
            for label, scaled in candidates().items()
        }
        whole[name] = {label: account(course).as_json() for label, course in courses.items()}
        unit = (3600.0, "hours") if seconds > 4 * days.HOUR else (60.0, "minutes")
        shown = {label: courses[label] for label in PLOTTED}
        (target / f"{name}.png").write_bytes(plots.days(title, shown, unit_seconds=unit[0], unit=unit[1]))
        sys.stdout.write(f"{title}: {whole[name]['shipped']}\n")
    figures = {"settings": report.settings(), "days": whole}
    (target / "days.json").write_text(json.dumps(figures, indent=2) + "\n")
    page = DOCS / "autoscaling.md"
    page.write_text(report.put_in(page.read_text(), report.tables(whole)))


if __name__ == "__main__":
    main()
