"""`python -m features.catalogue`: writes docs/features.md from the declarations; `--check` fails on drift."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from features.definitions import FEATURES
from features.schema import SCHEMA_HASH
from features.windows import WINDOWS

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "features.md"


def catalogue() -> str:
    """Return the document: every feature in vector order."""
    rows = "\n".join(f"| {index} | `{feature.name}` | {feature.meaning} |" for index, feature in enumerate(FEATURES))
    return f"""# Features

Written by `python -m features.catalogue` from `features/definitions.py`. Schema hash `{SCHEMA_HASH}`,
{len(FEATURES)} features, windows {", ".join(WINDOWS)}.

A window holds the payments of the entity with event time in (t - w, t], the payment itself included, each payment once;
integers are exact and rounded once to float32; missing is NaN, never 0. "Earlier" leaves the payment itself out.
Features that look at single earlier payments (the last one, those to the same payee, payees paid for the first time, a
known device, the last place) see an entity's latest 127 or more. So do the payer's payments in
`payee_income_share_7d`. What the payee received in all is the window's sum: the share is exact unless the payee got
more payments than these within 7 days, and too low, never too high, if it did. Reports count from `reported_at` on once
they have arrived, the newest 512 of a payee or device, for 30 days; of one payment the newest stands.
[The rules for dense entities and for reports](specs/online_store.md).
[How to add one](extending.md).

| index | feature | meaning |
|---|---|---|
{rows}
"""


def main(arguments: list[str]) -> int:
    """Write or check the document; return the exit code."""
    if arguments == ["--check"]:
        if not DOCUMENT.is_file() or DOCUMENT.read_text() != catalogue():
            print("docs/features.md is not what the declarations say: run `python -m features.catalogue`.")
            return 1
        return 0
    DOCUMENT.write_text(catalogue())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
