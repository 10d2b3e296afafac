#!/usr/bin/env bash
# Writes what the image weighs into docs/image.md: deploy/image/size.sh [NAME[:TAG]]. To be run after a build.
set -euo pipefail
cd "$(dirname "$0")/../.."
name=${1:-localhost/upi-fraud-stream:$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)}
engine=podman run=(--runtime runc run --ulimit "nofile=1024:1024" --ulimit "nproc=1024:1024")
if docker version >/dev/null 2>&1; then engine=docker run=(run); fi
mb() { awk '{printf "%d", ($1 + 500000) / 1000000}'; }

base=$("$engine" image inspect --format '{{index .Config.Labels "org.opencontainers.image.base.name"}}' "$name")
table=$(
    echo "| part | MB |"
    echo "|---|---|"
    echo "| all, as it lies on a node | $("$engine" image inspect --format '{{.Size}}' "$name" | mb) |"
    echo "| all, compressed as a registry sends it | $("$engine" save "$name" | gzip -6 | wc -c | mb) |"
    echo "| of that the base, uncompressed | $("$engine" image inspect --format '{{.Size}}' "$base" | mb) |"
    # shellcheck disable=SC2016 # expands in the container
    "$engine" "${run[@]}" --rm --network none --entrypoint sh "$name" -c '
        packages=$(python -c "import sysconfig; print(sysconfig.get_path(\"purelib\"))")
        size() { printf "| %s | %s |\n" "$1" "$(cat | tr "\0" "\n" | awk "{s += \$1} END {printf \"%.1f\", s / 1000000}")"; }
        find "$packages" \( -name "*.nbi" -o -name "*.nbc" \) -printf "%s\0" | size "compiled kernels"
        for part in llvmlite pyarrow scipy pandas sklearn matplotlib numpy numba; do
            find "$packages/$part" "$packages/$part.libs" -type f -printf "%s\0" 2>/dev/null | size "$part"
        done'
)
python3 - docs/image.md "$table" <<'PYTHON'
import pathlib
import re
import sys

path, table = pathlib.Path(sys.argv[1]), sys.argv[2]
marks = r"(<!-- deploy/image/size.sh -->\n).*?(<!-- end -->)"
text, found = re.subn(marks, lambda match: f"{match[1]}{table}\n{match[2]}", path.read_text(), flags=re.DOTALL)
if not found:
    sys.exit(f"{path}: expected the marks of deploy/image/size.sh and end, found none")
path.write_text(text)
PYTHON
