#!/usr/bin/env bash
# Gets the programs that render, validate and watch what is deployed: deploy/tools.sh [NAME...], all of them by default.
# Each is there at once where it was got before. Debian packages need root; Go tools go to .cache/tools/bin.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOBIN="$PWD/.cache/tools/bin"
mkdir -p "$GOBIN"

debian() { # PROGRAM PACKAGE...: the Debian packages, where the program is not there yet
    local program=$1
    shift
    command -v "$program" >/dev/null && return
    [ "$(id -u)" = 0 ] || { echo "$program is missing: install the Debian package(s) $* as root." >&2; exit 1; }
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }
}

golang() { # PROGRAM MODULE@VERSION
    test -x "$GOBIN/$1" || go install "$2"
}

# One function a tool, named tool_NAME; ALL lists them.
tool_promtool() { debian promtool prometheus; }
tool_kustomize() { golang kustomize sigs.k8s.io/kustomize/kustomize/v5@v5.8.1; }
tool_kubeconform() { golang kubeconform github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0; }
tool_actionlint() { golang actionlint github.com/rhysd/actionlint/cmd/actionlint@v1.7.7; }
tool_tls-stores() { # servers with TLS, which the packages from PyPI lack; without clusters or daemons of their own
    debian redis-check-rdb redis-tools # the server by another name
    if ! compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; then
        debian pg_createcluster postgresql-common
        sed -ri 's/#?(create_main_cluster) .*$/\1 = false/' /etc/postgresql-common/createcluster.conf
        debian postgres postgresql
    fi
}
tool_shellcheck() { debian shellcheck shellcheck; }
tool_node() { debian node nodejs; }
# Reads docker-compose.yml as `docker compose` does, without an engine; its package's name is `cmd`.
tool_compose-config() {
    test -x "$GOBIN/compose-config" && return
    GOBIN="$PWD/.cache/tools/compose" go install github.com/compose-spec/compose-go/v2/cmd@v2.16.2
    mv .cache/tools/compose/cmd "$GOBIN/compose-config"
}
# Builds and runs the image where no Docker engine is; mmdebstrap makes the base (deploy/image/base.sh).
tool_podman() { debian podman podman runc ca-certificates; debian mmdebstrap mmdebstrap; }
tool_k6() { golang k6 go.k6.io/k6@v1.8.1; } # on request only: it takes minutes to build

ALL=(promtool kustomize kubeconform actionlint tls-stores shellcheck node compose-config podman)
for name in "${@:-${ALL[@]}}"; do
    "tool_$name"
done
