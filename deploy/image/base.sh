#!/usr/bin/env bash
# Prints the name and digest of a base for deploy/Dockerfile that is made from Debian's packages alone, for machines
# that reach no registry: bookworm with Python 3.11, as small as mmdebstrap makes it. Kept in .cache/image.
set -euo pipefail
cd "$(dirname "$0")/../.."
name=localhost/upifraud-base
archive=.cache/image/base-bookworm.tar
mkdir -p "$(dirname "$archive")"

if ! test -s "$archive"; then
    echo "Making the base from Debian's packages; once, it is kept in $archive." >&2
    # In memory where there is room: dpkg writes every file down to the disk before it goes on.
    test "$(df --output=avail --block-size=1M /dev/shm 2>/dev/null | tail -1)" -gt 2000 && export TMPDIR=/dev/shm
    mmdebstrap --quiet --format=tar --variant=minbase --include=ca-certificates,python3,python3-venv \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        --dpkgopt=force-unsafe-io bookworm "$archive.part" >&2
    mv "$archive.part" "$archive"
fi
if ! podman image exists "$name:bookworm" || [ "$archive" -nt "$archive.imported" ]; then
    podman import --quiet "$archive" "$name:bookworm" >&2
    touch "$archive.imported"
fi
echo "$name@$(podman image inspect --format '{{.Digest}}' "$name:bookworm")"
