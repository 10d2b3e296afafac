"""`python -m deploy.grafana [--check]`: write the dashboards, or say which are not what the code says."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.api import api
from deploy.grafana.flow import flow
from deploy.grafana.fraud import fraud
from deploy.grafana.stores import stores

HERE = Path(__file__).parent / "dashboards"


def documents() -> dict[str, str]:
    """Return every dashboard as Grafana reads it, by the name of its file."""
    encoder = JSONEncoder(indent=2, sort_keys=True)
    return {
        f"{name}.json": encoder.encode(made()) + "\n"
        for name, made in (("api", api), ("flow", flow), ("fraud", fraud), ("stores", stores))
    }


def main(arguments: list[str] | None = None, folder: Path = HERE) -> int:
    """Write every dashboard that differs; with --check write none and return 1 if there is one."""
    parser = argparse.ArgumentParser(prog="python -m deploy.grafana", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if a file is out of date")
    check = parser.parse_args(arguments).check
    wanted = documents()
    stale = [path for path in sorted(folder.glob("*.json")) if path.name not in wanted]
    changed = [name for name, text in wanted.items() if not _is(folder / name, text)]
    if check:
        for name in [*changed, *(path.name for path in stale)]:
            print(f"{folder / name} is not what deploy/grafana says; run python -m deploy.grafana.", file=sys.stderr)
        return int(bool(changed or stale))
    for path in stale:
        path.unlink()
    for name in changed:
        (folder / name).write_text(wanted[name])
        print(folder / name)
    return 0


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
