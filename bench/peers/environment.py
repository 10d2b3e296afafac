"""The environment of Quix Streams: its own packages first, those of the worker's environment behind them.

`PYTHON -m bench.peers.environment OTHER_PYTHON` lets PYTHON's environment find the packages of OTHER_PYTHON's. So Quix
has the confluent-kafka that it asks for, and everything else (scikit-learn, shap, redis, psycopg) is the very same.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]
QUIX_PYTHON = ROOT / ".cache" / "quix" / "bin" / "python"


def main() -> None:
    """Write the one line that Python reads when it starts."""
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    other = subprocess.run([sys.argv[1], "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    line = f"import site; site.addsitedir({other!r})\n"
    Path(sysconfig.get_path("purelib"), "worker_environment.pth").write_text(line)


if __name__ == "__main__":
    main()
