"""docs/features.md says what the declarations say, and a drift does not pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from features import catalogue
from features.schema import FEATURE_NAMES, SCHEMA_HASH

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_document_is_up_to_date() -> None:
    assert catalogue.main(["--check"]) == 0


def test_it_lists_every_feature_in_vector_order_with_its_meaning() -> None:
    rows = [line.split(" | ") for line in catalogue.catalogue().splitlines() if line.startswith("| ") and "`" in line]
    assert [row[1].strip("`") for row in rows] == list(FEATURE_NAMES)
    assert all(row[2].rstrip(" |") for row in rows)
    assert SCHEMA_HASH in catalogue.catalogue()


def test_a_drift_fails_and_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "features.md"
    monkeypatch.setattr(catalogue, "DOCUMENT", document)
    assert catalogue.main(["--check"]) == 1
    document.write_text(catalogue.catalogue() + "more")
    assert catalogue.main(["--check"]) == 1
    assert "python -m features.catalogue" in capsys.readouterr().out
    assert catalogue.main([]) == 0
    assert catalogue.main(["--check"]) == 0
