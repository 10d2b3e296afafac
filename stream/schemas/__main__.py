"""`python -m stream.schemas [--check]`: write the documents, or say which are not what the types say."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from stream.schemas.documents import documents

HERE = Path(__file__).parent


def main(arguments: list[str] | None = None, folder: Path = HERE) -> int:
    """Write every document that differs; with --check write none and return 1 if there is one."""
    parser = argparse.ArgumentParser(prog="python -m stream.schemas", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if a file is out of date")
    check = parser.parse_args(arguments).check
    wanted = documents()
    stale = [path for path in sorted(folder.glob("*.json")) if path.name not in wanted]
    changed = [name for name, text in wanted.items() if not _is(folder / name, text)]
    if check:
        for name in [*changed, *(path.name for path in stale)]:
            print(f"{folder / name} is not what stream/wire.py says; run python -m stream.schemas.", file=sys.stderr)
        return int(bool(changed or stale))
    for path in stale:
        path.unlink()
    for name in changed:
        (folder / name).write_bytes(wanted[name])
        print(folder / name)
    return 0


def _is(path: Path, text: bytes) -> bool:
    return path.is_file() and path.read_bytes() == text


if __name__ == "__main__":
    sys.exit(main())
