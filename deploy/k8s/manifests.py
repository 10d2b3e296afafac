"""Renders every overlay, every combination of components and the Secret templates, and validates all of it strictly.

    python -m deploy.k8s.manifests                 render to .cache/manifests and validate
    python -m deploy.k8s.manifests --overlay dev   print one overlay

Exits with 1 and says what is wrong where kustomize cannot render, or a manifest is not what its API knows.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.k8s import schemas
from deploy.k8s.combinations import Combination, combinations, kustomization, name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

K8S = Path(__file__).parent
ROOT = K8S.parents[1]
OVERLAYS = tuple(sorted(path.parent.name for path in K8S.glob("overlays/*/kustomization.yaml")))
SECRETS = tuple(sorted((K8S / "secrets").glob("*.yaml")))
RENDERED = ROOT / ".cache" / "manifests"


def render(directory: Path) -> str:
    """Return the manifests of a kustomization."""
    return _run([_tool("kustomize"), "build", str(directory)])


def render_combinations(target: Path, wanted: Iterable[Combination]) -> None:
    """Write every combination that is wanted to a file in `target`, named after it."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        written = []
        for chosen in wanted:
            directory = target / "sources" / name_of(chosen)
            directory.mkdir(parents=True, exist_ok=True)
            (directory / "kustomization.yaml").write_text(kustomization(chosen, directory, K8S))
            written.append(threads.submit(_write, directory, target / f"{name_of(chosen)}.yaml"))
        for one in written:
            one.result()


def validate(paths: Iterable[Path]) -> str:
    """Validate files of manifests; return kubeconform's summary, or exit with what is wrong."""
    schemas.ensure()
    return _run(
        [
            _tool("kubeconform"),
            "-strict",
            "-summary",
            f"-n={os.cpu_count()}",
            f"-schema-location={schemas.location()}",
            *map(str, paths),
        ]
    )


def render_all(target: Path, wanted: Iterable[Combination]) -> list[Path]:
    """Render overlays and combinations anew into `target`; return the files, with those of the Secret templates."""
    shutil.rmtree(target, ignore_errors=True)
    (target / "overlays").mkdir(parents=True)
    for name in OVERLAYS:
        _write(K8S / "overlays" / name, target / "overlays" / f"{name}.yaml")
    render_combinations(target / "combinations", wanted)
    return [*target.glob("overlays/*.yaml"), *target.glob("combinations/*.yaml"), *SECRETS]


def _write(directory: Path, path: Path) -> None:
    path.write_text(render(directory))


def _tool(name: str) -> str:
    path = os.pathsep.join([str(ROOT / ".cache/tools/bin"), os.environ.get("PATH", os.defpath)])
    found = shutil.which(name, path=path)
    if found is None:
        raise SystemExit(f"{name} is missing: run deploy/tools.sh {name}")
    return found


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - tools of our own choice
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command[:3])}: {done.stdout}{done.stderr}")
    return done.stdout


def main() -> None:
    """Render and validate, or print one overlay."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--overlay", choices=OVERLAYS, help="print this one, and nothing else")
    overlay = parser.parse_args().overlay
    if overlay:
        sys.stdout.write(render(K8S / "overlays" / overlay))
        return
    wanted = list(combinations())
    paths = render_all(RENDERED, wanted)
    sys.stdout.write(f"overlays: {', '.join(OVERLAYS)}; combinations of components: {len(wanted)}\n")
    sys.stdout.write(validate(paths))


if __name__ == "__main__":
    main()
