"""The rooms of the house are as docs/architecture.md draws them, and no folder of them is crowded."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STREAM = ROOT / "stream"
MOST_FILES = 16
FOLDERS = [
    folder
    for package in ("features", "files", "model", "service", "stream")
    for folder in (ROOT / package, *(ROOT / package).rglob("*"))
    if any(folder.glob("*.py"))
]


def imports(path: Path) -> set[str]:
    """Everything that a file imports, for types too, as `module` or `module.name`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room_of(path: Path) -> str:
    first, *inside = path.relative_to(STREAM).parts
    return f"{first}/" if inside else first.removesuffix(".py")


def drawn() -> dict[str, set[str]]:
    """The table of architecture.md: what each room imports of the others."""
    table = (ROOT / "docs" / "architecture.md").read_text().split("## The rooms of `stream/`")[1].split("\n## ")[0]
    rows = [re.findall(r"`([a-z_]+/?)`", line) for line in table.splitlines() if line.startswith("| `")]
    return {room: {name for name in names if name.endswith("/")} for room, *names in rows}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_no_folder_is_crowded(folder: Path):
    assert len(list(folder.glob("*.py"))) <= MOST_FILES


def test_each_room_of_stream_imports_the_rooms_that_are_drawn_and_no_others():
    made: dict[str, set[str]] = {}
    for path in STREAM.rglob("*.py"):
        targets = {f"{name.split('.')[1]}/" for name in imports(path) if name.startswith("stream.")}
        own = room_of(path)
        made.setdefault(own, set()).update(to for to in targets - {own} if (STREAM / to).is_dir())
    rooms = drawn()
    assert {room: made[room] for room in rooms} == rooms
    assert not {room for room, to in made.items() if to} - set(rooms), "rooms that import others, and are not drawn"
    assert {room for room in made if room.endswith("/")} <= set(rooms), "folders that are not drawn"


def test_faust_is_in_its_room_alone():
    strangers = {
        room_of(path): sorted(used)
        for path in STREAM.rglob("*.py")
        if room_of(path) != "faust_app/"
        and (used := {name for name in imports(path) if re.match(r"(faust|mode)\b", name)} - {"faust.types.TP"})
    }
    assert strangers == {}


def test_clients_of_kafka_are_made_in_its_room_alone():
    clients = {"confluent_kafka.Consumer", "confluent_kafka.Producer", "confluent_kafka.admin.AdminClient"}
    assert {room_of(path) for path in STREAM.rglob("*.py") if imports(path) & clients} == {"kafka/"}
