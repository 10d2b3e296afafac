"""What operators read at night is right: commands and options exist, links lead somewhere, messages are really said."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from upifraud.cli import main

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", ROOT / "docs" / "operations.md", ROOT / "docs" / "troubleshooting.md"]
SOURCES = [
    path
    for folder in (
        "features",
        "files",
        "history",
        "model",
        "stream",
        "service",
        "simulator",
        "upifraud",
        "local",
        "deploy/backup",
    )
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".sh", ".lua")
]


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page: Path):
    group = click.Context(main)
    text = page.read_text().replace("\\\n", " ")
    calls = re.findall(r"\bupifraud ([a-z][a-z-]+)((?: +(?:--?[a-z][a-z0-9-]*|[^\s`|-][^\s`|]*))*)", text)
    assert calls
    for name, rest in calls:
        command = main.get_command(group, name)
        assert command is not None, f"upifraud {name}"
        known = options(command)
        for option in re.findall(r"(?<!\S)--[a-z][a-z0-9-]*", rest):
            assert option in known | {"--help"}, f"upifraud {name} {option}"


def options(command: click.Command) -> set[str]:
    """Return the options of a command and of its subcommands."""
    found = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    subcommands = command.commands.values() if isinstance(command, click.Group) else ()
    return found.union(*map(options, subcommands))


def said() -> str:
    """Return all that the program and its scripts may say: literals that follow each other count as one."""
    text = "\n".join(path.read_text() for path in SOURCES)
    text = re.sub(r'"\s*\n\s*f?"', "", text).replace("\\\n", "")
    return re.sub(r"\{[^{}]*\}|\$\w+", "\N{HORIZONTAL ELLIPSIS}", text).replace("`", "")


def test_messages_are_quoted_as_they_are_said():
    everything = said()
    rows = [line for line in (ROOT / "docs" / "troubleshooting.md").read_text().splitlines() if line.startswith("| ")]
    quotes = [quote for row in rows for quote in re.findall(r"`([^`]+)`", row.split(" | ")[0])]
    checked = 0
    for quote in quotes:
        for fragment in quote.split("..."):
            if len(fragment.strip(" ;,")) < 10 or quote.startswith(("pg_dump", "waiting for")):
                continue  # too short to say anything, or another program's
            assert fragment.strip() in everything, f"nobody says {fragment.strip()!r}"
            checked += 1
    assert checked >= 12
