"""The key for development: made once, kept in a file for its owner alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from local.record import write_private

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = "development"


def development_key(path: Path, postgres_url: str) -> str:
    """Return the key in the file while it opens; otherwise make one with all scopes, and keep it there.

    It opens no more where it was revoked, or where the stack has another database now.
    """
    from stream.verdict_store.door import keys

    kept = path.read_text().strip() if path.exists() else ""
    if kept and _opens(postgres_url, kept):
        return kept
    key = keys.create(postgres_url, NAME, keys.SCOPES).key
    write_private(path, f"{key}\n")
    return key


def _opens(postgres_url: str, key: str) -> bool:
    from stream.verdict_store.door import keys

    table = keys.KeyTable(postgres_url)
    try:
        opening = table.keys()
    finally:
        table.close()
    return keys.secret_sha256(key) in {one.secret_sha256 for one in opening}
