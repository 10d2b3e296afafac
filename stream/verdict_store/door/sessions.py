"""Settings of the door's sessions that write a little: uses of keys, lines of the access log."""

from __future__ import annotations

from typing import Final

WRITING: Final = {
    "default_transaction_isolation": "read committed",
    "enable_seqscan": "on",  # the table of keys is a page or two
    "jit": "off",
    "synchronous_commit": "on",
}
