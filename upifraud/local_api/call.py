"""A call of the API that anybody can try: a file of curl's options, which holds the key, for its owner alone."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any

import msgspec

from local.record import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_call(path: Path, url: str, key: str, body: Mapping[str, Any]) -> None:
    """Write the options with which curl posts a JSON object to a URL, with a key."""
    options = {
        "url": url,
        "header": f"Authorization: Bearer {key}",
        "data": msgspec.json.encode(body).decode(),
        "write-out": "\\n",
    }
    lines = [f"{name} = {_quoted(value)}" for name, value in options.items()]
    write_private(path, "\n".join(["silent", "show-error", *lines, ""]))


def command_of(path: Path) -> str:
    """Return the command that makes the call, as it is typed in the current directory."""
    return f"curl -K {shlex.quote(os.path.relpath(path))}"


def _quoted(value: str) -> str:
    """Return a value as a file of curl's options has it; a line feed of `write-out` is curl's own word."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
