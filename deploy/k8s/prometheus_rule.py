"""Writes components/monitoring/prometheus-rule.yaml: deploy/prometheus/rules as the Prometheus operator takes them.

python -m deploy.k8s.prometheus_rule            write it anew
python -m deploy.k8s.prometheus_rule --check    exit with 1 if it is not what the rule files say
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/rules"
MANIFEST = ROOT / "deploy/k8s/components/monitoring/prometheus-rule.yaml"


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML has no types
    """Writes texts of several lines as they are read best."""


def _text(dumper: _Dumper, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def render(rules: Path = RULES) -> str:
    """Return the manifest: the groups of every rule file, in the order of their names."""
    files = sorted(rules.glob("*.yaml"))
    if not files:
        raise SystemExit(f"{rules}: expected rule files (*.yaml), found none.")
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    manifest: dict[str, Any] = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "upi-fraud-stream",
            "namespace": "upi-fraud-stream",
            "labels": {"app.kubernetes.io/part-of": "upi-fraud-stream"},
        },
        "spec": {"groups": groups},
    }
    header = "# Written by deploy/k8s/prometheus_rule.py from deploy/prometheus/rules: change it there.\n"
    return header + str(yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, width=120))


def main() -> None:
    """Write the manifest, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if it has to be written")
    check = parser.parse_args().check
    text = render()
    if not check:
        MANIFEST.write_text(text)
    elif not MANIFEST.is_file() or MANIFEST.read_text() != text:
        sys.exit(f"{MANIFEST} is not what the rule files say: run python -m deploy.k8s.prometheus_rule")


if __name__ == "__main__":
    main()
