"""Artifacts kept in the verdict store: what one host's worker gave, any other explains and exports."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import TYPE_CHECKING

import psycopg
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from model.errors import ArtifactError
from stream.verdict_store import Model
from stream.verdict_store.artifacts import ArtifactArchiveError, ArtifactGoneError, RetainedArtifacts, fetch, keep, kept
from tests.integration.test_verdict_commands import NOON, artifacts, judge, store
from upifraud.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from model.artifact import Artifact
    from stream.verdict_store import VerdictStore

    Artifacts = dict[str, tuple[Path, Artifact]]

pytestmark = pytest.mark.servers
__all__ = ["artifacts", "store"]


@pytest.fixture
def url(store: VerdictStore) -> str:
    return store._url


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


def model_of(artifact: Artifact) -> Model:
    return Model(artifact.model_id, artifact.schema_hash, artifact.base_value, artifact.feature_names)


def overwrite(url: str, model_id: str, archive: bytes) -> None:
    """Put another archive in the place of one, with its right checksum."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "UPDATE model_artifacts SET archive = %s, sha256 = %s WHERE model_id = %s",
            (archive, hashlib.sha256(archive).digest(), model_id),
        )


def test_verdicts_of_two_models_are_exported_without_their_directories(
    store: VerdictStore,
    url: str,
    artifacts: Artifacts,
    tmp_path: Path,
) -> None:
    for number, name in enumerate(("one", "two")):
        directory, artifact = artifacts[name]
        judge(store, artifact, [f"{name}{n}" for n in range(20)], NOON + 1000 * number)
        assert keep(url, directory)
        assert not keep(url, directory, artifact)
    out = tmp_path / "verdicts.parquet"
    result = run("export", "verdicts", "--out", out)
    assert result.exit_code == 0, result.output
    found = pq.read_table(out).to_pydict()
    assert set(found["model_id"]) == {artifacts[name][1].model_id for name in ("one", "two")}
    for contributions, base, margin in zip(found["contributions"], found["base_value"], found["margin"], strict=True):
        assert sum(contributions) + base == pytest.approx(margin, abs=1e-9)
    told = run("explain", "two3", "--json")
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["model_id"] == artifacts["two"][1].model_id


def test_a_model_that_is_nowhere_is_named_with_what_to_do(
    store: VerdictStore,
    url: str,
    artifacts: Artifacts,
) -> None:
    judge(store, artifacts["one"][1], ["a"], NOON)
    keep(url, artifacts["two"][0])
    result = run("explain", "a")
    assert result.exit_code == 1
    for part in (artifacts["one"][1].model_id, "the verdict store", "--model-dir", "upifraud model keep"):
        assert part in result.stderr


@pytest.mark.parametrize("what", ["altered file", "another model", "path", "no zip", "bomb", "checksum"])
def test_what_is_no_artifact_of_the_model_is_refused(
    url: str,
    artifacts: Artifacts,
    tmp_path: Path,
    what: str,
) -> None:
    directory, artifact = artifacts["one"]
    keep(url, directory)
    archive = fetch(url, artifact.model_id)
    assert archive is not None
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    expected: type[Exception] = ArtifactArchiveError
    if what == "altered file":
        files["tables.npz"] = files["tables.npz"][:-1] + b"x"
        expected = ArtifactError
    elif what == "another model":
        files = {path.name: path.read_bytes() for path in artifacts["two"][0].iterdir()}
        expected = ArtifactGoneError
    elif what == "path":
        files["../stolen"] = b""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as forged:
        for name, content in files.items():
            forged.writestr(name, content)
        if what == "bomb":
            forged.writestr("bomb", bytes(300 * 1024 * 1024))
    overwrite(url, artifact.model_id, b"no zip" if what == "no zip" else buffer.getvalue())
    if what == "checksum":
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE model_artifacts SET sha256 = sha256(sha256)")
    with pytest.raises(expected):
        RetainedArtifacts((), url).artifact(model_of(artifact))
    assert list(tmp_path.iterdir()) == []


def test_a_directory_is_taken_before_the_verdict_store(url: str, artifacts: Artifacts) -> None:
    directory, artifact = artifacts["one"]
    keep(url, directory)
    overwrite(url, artifact.model_id, b"no zip")
    assert RetainedArtifacts((directory,), url).artifact(model_of(artifact)).model_id == artifact.model_id


def test_an_artifact_is_kept_listed_and_fetched_by_command(
    store: VerdictStore,
    url: str,
    artifacts: Artifacts,
    tmp_path: Path,
) -> None:
    directory, artifact = artifacts["one"]
    for words in ("is kept from now on", "was kept before"):
        assert run("model", "keep", directory).stdout == f"{artifact.model_id} {words}\n"
    judge(store, artifact, ["a"], NOON)
    (listed,) = [json.loads(line) for line in run("model", "list", "--json").stdout.splitlines()]
    assert (listed["model_id"], listed["has_verdicts"]) == (artifact.model_id, True)
    assert "MB" in run("model", "list").stdout
    out = tmp_path / "back"
    assert run("model", "fetch", artifact.model_id, "--out", out).exit_code == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in directory.iterdir()
    }
    assert run("model", "fetch", artifact.model_id, "--out", out).exit_code == 1  # it is there
    assert run("model", "fetch", "0" * 16, "--out", tmp_path / "x").exit_code == 1
    assert list(tmp_path.iterdir()) == [out]
    assert [one.model_id for one in kept(url)] == [artifact.model_id]
