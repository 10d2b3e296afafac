"""The picture of the live view in README and docs/demo.md is what the view draws of that recorded moment."""

from __future__ import annotations

import textwrap
from pathlib import Path

from tests.fixtures.demo_picture import IMAGE, image, text

PAGE = Path(__file__).parents[2] / "docs" / "demo.md"


def test_the_image_is_what_the_view_draws() -> None:
    assert IMAGE.read_text() == image(), "python -m tests.fixtures.demo_picture draws it anew"


def test_the_page_shows_the_same_moment() -> None:
    lines = [line.rstrip() for line in text().rstrip("\n").split("\n")]
    assert textwrap.indent("\n".join(lines), "    ") in PAGE.read_text()
