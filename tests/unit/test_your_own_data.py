"""The files on the page for analysts are proposed as the page says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from upifraud.cli import main

PAGE = Path(__file__).parents[2] / "docs/your-own-data.md"
EXAMPLES = re.findall(
    r"### ([^\n]+)\n(?:(?!###).)*?```(csv|json)\n(.*?)```\s+```toml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL
)


def test_the_page_has_three_files_of_different_shape() -> None:
    assert [kind for _, kind, _, _ in EXAMPLES] == ["csv", "csv", "json"]


@pytest.mark.parametrize(("title", "kind", "content", "map_"), EXAMPLES, ids=[title for title, *_ in EXAMPLES])
def test_the_map_of_the_page_is_what_is_proposed(
    tmp_path: Path, title: str, kind: str, content: str, map_: str
) -> None:
    file, written = tmp_path / f"file.{kind}", tmp_path / "map.toml"
    file.write_text(content)
    result = CliRunner().invoke(main, ["try", str(file), "--write-map", str(written)])
    assert result.exit_code == 0, (title, result.output)
    assert tomllib.loads(written.read_text()) == tomllib.loads(map_)
    assert "2 rows, 0 refused" in result.output
