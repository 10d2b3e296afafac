#!/usr/bin/env bash
# Builds the image and prints its name: deploy/image/build.sh [NAME[:TAG]]. With Docker where an engine answers, else
# with podman. BASE names the base with its digest; on podman without BASE one is made from Debian's packages.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
name=${1:-localhost/upi-fraud-stream:$version}

if docker version >/dev/null 2>&1; then
    engine=docker options=(--provenance=false)
    export DOCKER_BUILDKIT=1
elif command -v podman >/dev/null; then
    # Without a namespace of its own: that needs more privileges than a builder in a container has.
    engine=podman options=(--isolation chroot --network host)
    # In CI nothing is built twice, and a layer for every step takes longer than the steps.
    test -z "${CI:-}" || options+=(--layers=false)
    BASE=${BASE:-$(deploy/image/base.sh)}
else
    echo "Nothing to build with: start a Docker engine, or get podman with deploy/tools.sh podman." >&2
    exit 1
fi
case ${BASE:-} in
    *@sha256:*) ;;
    *)
        echo "BASE is '${BASE:-}', expected a slim Debian with Python 3.11 and its digest. To see the digest:" >&2
        echo "  docker buildx imagetools inspect python:3.11-slim-bookworm" >&2
        echo "Then: BASE=python:3.11-slim-bookworm@sha256:... $0 $*" >&2
        exit 2
        ;;
esac

# This machine's way to packages, for as long as the build takes: a mirror, an authority of its own.
secrets=$(mktemp -d)
trap 'rm -rf "$secrets"' EXIT
{
    echo "[global]"
    for key in index-url extra-index-url proxy trusted-host timeout; do
        value=$(python3 -m pip config get "global.$key" 2>/dev/null || true)
        test -z "$value" || echo "$key = $value"
    done
    test -z "${PIP_INDEX_URL:-}" || echo "index-url = $PIP_INDEX_URL"
    authority=${PIP_CERT:-${SSL_CERT_FILE:-}}
    test -z "$authority" || echo "cert = /etc/ssl/pip.pem"
} >"$secrets/pip.conf"
cat ${authority:+"$authority"} /dev/null >"$secrets/ca.pem"

"$engine" build "${options[@]}" --file deploy/Dockerfile --tag "$name" \
    --secret "id=pip.conf,src=$secrets/pip.conf" --secret "id=ca.pem,src=$secrets/ca.pem" \
    --build-arg "BASE=$BASE" --build-arg "VERSION=$version" \
    --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
    --build-arg "CREATED=$(date -u +%Y-%m-%dT%H:%M:%SZ)" . >&2
echo "$name"
