"""docs/benchmarks.md's tables and plots from raw results; the prose around them is nobody's but the author's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.report import plots, sections, tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def write(results: dict[str, Any], page: Path, images: Path) -> Iterator[Path]:
    """Write what there are results of, and yield each file; what there are none of stays as it is.

    Raises sections.MissingSectionError where the page has no place for a table.
    """
    images.mkdir(parents=True, exist_ok=True)
    text = page.read_text()
    drawn = plots.draw(results["parts"])
    for name, table in tables.all_of(results).items():
        shown = [
            f"![{alt}]({_link(images, page)}/{file})" for file, (alt, _) in drawn.items() if plots.SECTION[file] == name
        ]
        text = sections.replace(text, name, "\n\n".join([table, *shown]))
    for file, (_, png) in drawn.items():
        (images / file).write_bytes(png)
        yield images / file
    page.write_text(text)
    yield page


def _link(images: Path, page: Path) -> str:
    return images.resolve().relative_to(page.resolve().parent).as_posix()
