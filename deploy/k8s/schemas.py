"""Strict JSON schemas of every kind that is deployed, from the published modules of those who define them.

    python -m deploy.k8s.schemas         writes them to .cache/schemas, where they are not there yet

Strict: a field that the API server does not know is an error here, where the server would drop it with a warning.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
KUBERNETES = "k8s.io/kubernetes@v1.35.4"
CRDS = {
    "github.com/kedacore/keda/v2@v2.18.1": "config/crd/bases/keda.sh_*.yaml",
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": "example/prometheus-operator-crd/*.yaml",
    "github.com/cert-manager/cert-manager@v1.19.2": "deploy/crds/cert-manager.io_*.yaml",
}
"""Modules, and where in them the custom resource definitions are."""


class _Loader(yaml.CSafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """Reads `=` as the text it is in a list of operators; PyYAML fails on it."""


_Loader.add_constructor("tag:yaml.org,2002:value", _Loader.construct_yaml_str)

_DEFINITIONS = "definitions.json"
_WHOLE_METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def directory() -> Path:
    """Return where the schemas of these versions are; another version is another directory."""
    versions = "-".join(module.rpartition("@")[2] for module in (KUBERNETES, *CRDS))
    return ROOT / ".cache" / "schemas" / versions


def location() -> str:
    """Return the directory as kubeconform takes it."""
    return f"{directory()}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"


def ensure() -> Path:
    """Make the schemas where they are not there yet; whole or not at all."""
    target = directory()
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        made = Path(temporary) / "made"
        made.mkdir()
        for name, schema in _all():
            (made / name).write_text(json.dumps(schema))
        if not target.is_dir():
            made.rename(target)
    return target


def _all() -> Iterator[tuple[str, Any]]:
    swagger = json.loads((_module(KUBERNETES) / "api/openapi-spec/swagger.json").read_text())
    definitions = {name: strict(schema) for name, schema in swagger["definitions"].items()}
    yield _DEFINITIONS, {"definitions": definitions}
    for name, schema in swagger["definitions"].items():
        for kind in schema.get("x-kubernetes-group-version-kind", []):
            file_name = _file_name(kind["group"], kind["version"], kind["kind"])
            yield file_name, {"$ref": f"{_DEFINITIONS}#/definitions/{name}"}
    for module, pattern in CRDS.items():
        paths = sorted(_module(module).glob(pattern))
        if not paths:
            raise SystemExit(f"{module}: expected custom resource definitions at {pattern}, found none.")
        for path in paths:
            yield from _custom(yaml.load(path.read_text(), _Loader))  # noqa: S506 - a safe one


def _custom(definition: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    spec = definition["spec"]
    for version in spec["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"$ref": f"{_DEFINITIONS}#/definitions/{_WHOLE_METADATA}"}
        yield _file_name(spec["group"], version["name"], spec["names"]["kind"]), schema


def _file_name(group: str, version: str, kind: str) -> str:
    """Name a schema as kubeconform does: the group's first word only."""
    return "-".join(part.lower() for part in (kind, group.partition(".")[0], version) if part) + ".json"


def strict(schema: Any) -> Any:
    """Return a schema that knows no fields but the ones it names, with references into the file of all definitions."""
    if not isinstance(schema, dict):
        return schema  # additionalProperties may be true or false
    made = dict(schema)
    for keyword in ("items", "additionalProperties", "not"):
        if keyword in schema:
            made[keyword] = strict(schema[keyword])
    for keyword in ("allOf", "anyOf", "oneOf"):
        if keyword in schema:
            made[keyword] = [dict(part) for part in schema[keyword]]  # conditions on fields named elsewhere
    if "properties" in schema:
        made["properties"] = {name: strict(part) for name, part in schema["properties"].items()}
        if "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            made["additionalProperties"] = False
    if "$ref" in schema:
        made["$ref"] = _DEFINITIONS + schema["$ref"]
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        made["type"] = ["integer", "string"]
    if schema.get("nullable") and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made


def _module(module: str) -> Path:
    """Return the directory of a module, got where it is not here yet."""
    go = shutil.which("go")
    if go is None:
        raise SystemExit("The schemas come as Go modules: install Go.")
    with tempfile.TemporaryDirectory() as nowhere:  # outside of any module
        done = subprocess.run(  # noqa: S603 - a fixed command
            [go, "mod", "download", "-json", module],
            cwd=nowhere,
            env={**os.environ, "GOFLAGS": "-mod=mod"},
            capture_output=True,
            text=True,
            check=False,
        )
    answer = json.loads(done.stdout or "{}")
    if "Dir" not in answer:
        raise SystemExit(f"{module} cannot be got: {answer.get('Error') or done.stderr}")
    return Path(answer["Dir"])


if __name__ == "__main__":
    sys.stdout.write(f"{ensure()}\n")
