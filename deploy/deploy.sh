#!/usr/bin/env bash
# Deploys an overlay of deploy/k8s: nothing rolls out before its secrets, stores and tables are there, and what does not
# become ready is rolled back: the workers, or the API.
set -euo pipefail

usage() {
    cat <<'END'
Usage: deploy.sh COMMAND OVERLAY [OPTIONS]

OVERLAY is dev, staging or production, or a directory with a kustomization of your own.

Commands:
  render     print the manifests
  diff       say what apply would change in the cluster; exit code 1 if anything, as kubectl diff has it
  check      whether the cluster has what the overlay needs: kinds, Secrets and what is in them
  secrets    make the Secrets that are missing, with random passwords, for stores in the cluster; never changes one
  apply      check; stores; tables and topics by the setup job; workers; wait; verify; roll back if they fail; the API
  verify     ask the cluster and a worker whether all is well
  rollback   the workers as they were before the last rollout, image and settings; apply that image to stay there
  restart    replace all workers and API pods one after another, so that they read renewed certificates or Secrets

Options:
  --image IMAGE       the worker's image, by digest: REGISTRY/upi-fraud-stream@sha256:... (default: the overlay's)
  --context NAME      kubectl's context (default: the current one)
  --timeout DURATION  longest wait for each step, as 10m or 90s (default 15m)
  --no-rollback       leave workers that failed as they are, to be looked at
  --yes               do not ask before something is changed

Examples:
  deploy.sh render production | less
  deploy.sh secrets dev --context kind-upifraud
  deploy.sh apply dev --context kind-upifraud --yes
  deploy.sh diff production --image registry.example/upi-fraud-stream@sha256:0123...
  deploy.sh apply production --image registry.example/upi-fraud-stream@sha256:0123...
  deploy.sh rollback production

Exit codes: 0 done, 1 failed (what is wrong, and what to do, is on stderr), 2 wrong arguments, 3 not confirmed.
END
}

root=$(cd "$(dirname "$0")/.." && pwd)
app=upi-fraud-stream
say() { echo "deploy.sh: $*" >&2; }
fail() { say "$1"; exit "${2:-1}"; }
wrong() { fail "$1 See deploy.sh --help." 2; }

case ${1:-} in
    -h | --help) usage; exit 0 ;;
    render | diff | check | secrets | apply | verify | rollback | restart) command=$1 ;;
    "") wrong "Expected a command." ;;
    *) wrong "Unknown command '$1'." ;;
esac
shift
case ${1:-} in
    -h | --help) usage; exit 0 ;;
    "" | -*) wrong "Expected an overlay behind '$command'." ;;
esac
overlay=$1
shift
image="" context="" timeout=15m undo=yes sure=no
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --no-rollback) undo=no; shift; continue ;;
        --yes) sure=yes; shift; continue ;;
        --image | --context | --timeout) [ $# -ge 2 ] || wrong "$1 needs a value." ;;
        *) wrong "Unknown argument '$1'." ;;
    esac
    case $1 in
        --image) image=$2 ;;
        --context) context=$2 ;;
        --timeout) timeout=$2 ;;
    esac
    shift 2
done
[[ $timeout =~ ^[0-9]+[sm]$ ]] || wrong "--timeout: expected a duration as 10m or 90s, got '$timeout'."
if [ -n "$image" ] && ! [[ $image =~ ^[a-z0-9./:_-]+/$app@sha256:[0-9a-f]{64}$ ]]; then
    wrong "--image: expected REGISTRY/$app@sha256:DIGEST, got '$image'. A tag can be another image tomorrow."
fi
directory=$overlay
[[ $overlay == */* ]] || directory=$root/deploy/k8s/overlays/$overlay
[ -f "$directory/kustomization.yaml" ] ||
    wrong "No overlay '$overlay': expected one of $(cd "$root/deploy/k8s/overlays" && echo *), or a directory with a\
 kustomization.yaml."

# What is rendered --------------------------------------------------------------------------------------------------

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
manifests=$work/manifests.yaml

kustomize=$root/.cache/tools/bin/kustomize
[ -x "$kustomize" ] || kustomize=$(command -v kustomize) || fail "kustomize is missing: run deploy/tools.sh kustomize."

render() {
    local top=$work/top
    mkdir -p "$top"
    {
        echo "apiVersion: kustomize.config.k8s.io/v1beta1"
        echo "kind: Kustomization"
        echo "resources: [$(realpath --relative-to="$top" "$directory")]"
        if [ -n "$image" ]; then
            echo "images: [{name: $app, newName: ${image%@*}, digest: ${image#*@}}]"
        fi
    } >"$top/kustomization.yaml"
    "$kustomize" build "$top" >"$manifests"
}

list() { # KIND/NAME of every object
    awk '/^---$/ {kind = ""; part = ""} /^[a-zA-Z]+:/ {part = $1} /^kind: / {kind = $2}
         part == "metadata:" && /^  name: / {print kind "/" $2}' "$manifests"
}

has() { # KIND [NAME]: whether there is such an object
    grep -q "^$1/${2:-.*}$" "$work/objects"
}

render
[ "$command" != render ] || { cat "$manifests"; exit 0; }
list >"$work/objects"
namespace=$(sed -n 's#^Namespace/##p' "$work/objects")
[ -n "$namespace" ] || fail "The overlay has no Namespace; the base brings one: is it among the resources?"

command -v kubectl >/dev/null || fail "kubectl is missing: install the one of your cluster's version."
kube() { kubectl ${context:+--context="$context"} --namespace="$namespace" "$@"; }
kube version >/dev/null 2>&1 ||
    fail "The cluster does not answer${context:+ (context $context)}: kubectl version says why."

# What has to be there before -----------------------------------------------------------------------------------------

problems=0
problem() { say "$1"; problems=$((problems + 1)); }

secret_value() { # SECRET KEY
    kube get secret "$1" -o "go-template={{with index .data \"$2\"}}{{. | base64decode}}{{end}}" 2>/dev/null || true
}

need_secret() { # SECRET KEY...
    local secret=$1 key value
    shift
    if ! kube get secret "$secret" -o name >/dev/null 2>&1; then
        problem "Secret $secret is missing in $namespace: fill in a copy of deploy/k8s/secrets/$secret.yaml, or run\
 deploy.sh secrets $overlay."
        return
    fi
    for key in "$@"; do
        value=$(secret_value "$secret" "$key")
        if [ -z "$value" ] || [[ $value == *REPLACE_ME* ]]; then
            problem "Secret $secret has no value for $key: deploy/k8s/secrets/$secret.yaml says what belongs there."
        fi
    done
}

need_kind() { # KIND RESOURCE WHAT
    ! has "$1" || kube get crd "$2" -o name >/dev/null 2>&1 ||
        problem "The cluster does not know $1: install $3, or leave out the component that needs it."
}

check_urls() {
    local url key
    key=$(secret_value $app identity-key)
    if [ -n "$key" ] && ! [[ $key =~ ^[0-9a-fA-F]{32}$ ]]; then
        problem "Secret $app: identity-key is expected to be 32 hexadecimal digits."
    elif [ "$key" = 000102030405060708090a0b0c0d0e0f ]; then
        problem "Secret $app: identity-key is the public development key. Make one: openssl rand -hex 16"
    fi
    # Where there is TLS for Kafka or for the stores, nothing else may go in clear.
    has Certificate || return 0
    url=$(secret_value $app redis-url)
    [[ -z $url || $url == rediss://* ]] || problem "Secret $app: redis-url is expected to begin with rediss://."
    url=$(secret_value $app postgres-url)
    [[ -z $url || $url == *sslmode=verify-full* ]] ||
        problem "Secret $app: postgres-url is expected to have sslmode=verify-full."
    has Deployment $app-api || return 0
    url=$(secret_value $app-api postgres-url)
    [[ -z $url || $url == *sslmode=verify-full* ]] ||
        problem "Secret $app-api: postgres-url is expected to have sslmode=verify-full."
}

check() {
    need_kind ScaledObject scaledobjects.keda.sh "KEDA"
    need_kind Certificate certificates.cert-manager.io "cert-manager"
    need_kind PodMonitor podmonitors.monitoring.coreos.com "the Prometheus operator"
    if kube get namespace "$namespace" -o name >/dev/null 2>&1; then
        need_secret $app identity-key redis-url postgres-url
        ! has StatefulSet redis || need_secret redis users.acl
        ! has StatefulSet postgres || need_secret postgres superuser-password password
        ! has Deployment $app-api || need_secret $app-api postgres-url
        check_urls
    else
        problem "Namespace $namespace is missing, and its Secrets with it: run deploy.sh secrets $overlay, or make it and\
 them."
    fi
    [ "$problems" = 0 ] || fail "$problems problem(s); nothing was changed."
    say "the cluster has what $overlay needs"
}

confirm() {
    [ "$sure" = no ] || return 0
    [ -t 0 ] || fail "Nobody is there to be asked: add --yes." 3
    local where=${context:-$(kubectl config current-context 2>/dev/null || echo the cluster)}
    read -r -p "$1 in namespace $namespace of $where? [y/N] " answer
    [[ $answer == [yY]* ]] || fail "Not confirmed; nothing was changed." 3
}

# Secrets -----------------------------------------------------------------------------------------------------------

random() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }

make_secret() { # NAME: from the files in $work/secret-NAME
    kube create secret generic "$1" --from-file="$work/secret-$1" >/dev/null
    kube label secret "$1" app.kubernetes.io/part-of=$app >/dev/null
    say "Secret $1 made"
}

secrets() {
    { has StatefulSet redis && has StatefulSet postgres; } ||
        fail "Stores outside the cluster have their own passwords: fill in copies of deploy/k8s/secrets/*.yaml and apply\
 them."
    confirm "Make missing Secrets"
    umask 077
    awk -v RS='\n---\n' '("\n" $0) ~ /\nkind: Namespace\n/' "$manifests" |
        kube apply --server-side --force-conflicts --field-manager=deploy -f - >/dev/null
    local part there=0 parts=("$app" redis postgres)
    for part in "${parts[@]}"; do
        ! kube get secret "$part" -o name >/dev/null 2>&1 || there=$((there + 1))
        mkdir "$work/secret-$part"
    done
    # One half of a password without the other would lock the workers out.
    [ $there = 0 ] || [ $there = 3 ] ||
        fail "$there of the Secrets $app, redis and postgres are there, and their passwords belong together: remove them,\
 or add the others by hand."
    if [ $there = 3 ]; then
        say "Secrets $app, redis and postgres are there and stay as they are"
        ! has Deployment $app-api || need_secret $app-api postgres-url
        [ "$problems" = 0 ] || fail "Make the role upifraud_api, and its Secret with it: docs/kubernetes.md."
        return
    fi
    local redis postgres api scheme=redis redis_options="" postgres_options=""
    redis=$(random 24) postgres=$(random 24) api=$(random 24)
    if has Certificate redis; then
        scheme=rediss
        redis_options="?ssl_ca_certs=/run/tls/stores/ca.crt"
        postgres_options="?sslmode=verify-full&sslrootcert=/run/tls/stores/ca.crt"
    fi
    random 16 >"$work/secret-$app/identity-key"
    printf '%s' "$scheme://upifraud:$redis@redis:6379/0$redis_options" >"$work/secret-$app/redis-url"
    printf '%s' "postgresql://upifraud:$postgres@postgres:5432/upifraud$postgres_options" \
        >"$work/secret-$app/postgres-url"
    printf 'user default on nopass resetkeys resetchannels -@all +ping\nuser upifraud on >%s ~* &* +@all\n' "$redis" \
        >"$work/secret-redis/users.acl"
    random 24 >"$work/secret-postgres/superuser-password"
    printf '%s' "$postgres" >"$work/secret-postgres/password"
    if has Deployment $app-api; then
        parts+=("$app-api")
        mkdir "$work/secret-$app-api"
        printf '%s' "$api" >"$work/secret-postgres/api-password"
        printf '%s' "postgresql://upifraud_api:$api@postgres:5432/upifraud$postgres_options" \
            >"$work/secret-$app-api/postgres-url"
    fi
    for part in "${parts[@]}"; do make_secret "$part"; done
    say "keep a copy of identity-key: without it the windows in Redis belong to nobody"
}

# Apply -------------------------------------------------------------------------------------------------------------

apply_part() { # SELECTOR
    # What was changed by hand, or by `kubectl rollout undo`, belongs to somebody else then: it is taken back.
    kube apply --server-side --force-conflicts --field-manager=deploy --selector="$1" -f "$manifests" >&2
}

wait_rollout() { kube rollout status "$1" --timeout="$timeout" >&2; }

set_up() {
    say "tables and topics"
    kube delete job $app-setup --ignore-not-found --wait --timeout="$timeout" >&2
    apply_part "app.kubernetes.io/component=setup"
    local deadline=$((SECONDS + $(seconds "$timeout"))) state
    while true; do
        state=$(kube get job $app-setup -o 'jsonpath={range .status.conditions[?(@.status=="True")]}{.type} {end}')
        case " $state " in
            *" Complete "*) return 0 ;;
            *" Failed "*) break ;;
        esac
        [ $SECONDS -lt $deadline ] || break
        sleep 2
    done
    kube logs job/$app-setup --all-containers --tail=50 >&2 || true
    fail "The setup job did not complete; the workers were not touched. What it said is above."
}

seconds() { # DURATION
    case $1 in
        *m) echo $((${1%m} * 60)) ;;
        *) echo "${1%s}" ;;
    esac
}

roll_back() {
    kube rollout undo deployment/$app >&2 || fail "There is no revision to go back to."
    wait_rollout deployment/$app || fail "The workers as they were before do not become ready either: docs/operations.md."
    say "rolled back to revision $(revision)"
}

revision() {
    kube get deployment "${1:-$app}" -o 'jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}' \
        2>/dev/null || true
}

apply() {
    check
    confirm "Apply $overlay"
    local before
    before=$(revision)
    say "everything but the workers and the API"
    apply_part "app.kubernetes.io/component notin (worker, api, setup, housekeeping)"
    # They are issued within seconds; what waits for one does not start without.
    if has Certificate; then
        kube wait --for=condition=Ready certificate --all --timeout="$timeout" >&2 ||
            fail "cert-manager has not issued all certificates: kubectl -n $namespace describe certificate"
    fi
    for store in redis postgres; do
        ! has StatefulSet $store || wait_rollout statefulset/$store ||
            fail "$store does not become ready; the workers were not touched: kubectl -n $namespace describe pod\
 $store-0"
    done
    set_up
    say "workers"
    apply_part "app.kubernetes.io/component=worker"
    if wait_rollout deployment/$app && verify; then
        # Not before: it would keep the new image where the workers go back.
        apply_part "app.kubernetes.io/component=housekeeping"
        ! has Deployment $app-api || apply_api
        say "done: revision $(revision)"
        return 0
    fi
    kube get pods --selector=app.kubernetes.io/component=worker >&2 || true
    kube logs deployment/$app --tail=30 >&2 || true
    [ "$undo" = yes ] || fail "The workers failed, and stay as they are."
    { [ -n "$before" ] && [ "$before" != "$(revision)" ]; } ||
        fail "The workers failed. There is no other revision to go back to, so they stay as they are."
    say "the workers failed: back to revision $before"
    roll_back
    exit 1
}

apply_api() { # after the workers: what it waits for is theirs to store
    say "API"
    local before
    before=$(revision $app-api)
    apply_part "app.kubernetes.io/component=api"
    ! wait_rollout deployment/$app-api || return 0
    kube logs deployment/$app-api --tail=30 >&2 || true
    [ "$undo" = yes ] || fail "The API failed, and stays as it is. The workers are well."
    { [ -n "$before" ] && [ "$before" != "$(revision $app-api)" ]; } ||
        fail "The API failed. There is no other revision to go back to, so it stays as it is. The workers are well."
    kube rollout undo deployment/$app-api >&2
    wait_rollout deployment/$app-api || fail "The API as it was before does not become ready either: docs/operations.md."
    fail "The API failed, and is back at revision $before. The workers are the new ones, and well."
}

verify() {
    local ready wanted name
    ready=$(kube get deployment $app -o 'jsonpath={.status.readyReplicas}')
    wanted=$(kube get deployment $app -o 'jsonpath={.spec.replicas}')
    [ "${ready:-0}" -ge "${wanted:-1}" ] || { say "${ready:-0} of ${wanted:-1} workers are ready"; return 1; }
    if [ -n "$image" ]; then
        name=$(kube get deployment $app -o 'jsonpath={.spec.template.spec.containers[0].image}')
        [ "$name" = "$image" ] || { say "the workers run $name, expected $image"; return 1; }
    fi
    # From inside: settings, servers, topics and tables as a worker sees them.
    kube exec deployment/$app -- upifraud doctor --state-dir /tmp/doctor >&2 ||
        { say "a worker finds a problem; it is above"; return 1; }
    if has ScaledObject; then
        kube wait --for=condition=Ready scaledobject/$app --timeout=60s >&2 ||
            { say "KEDA cannot use the ScaledObject: kubectl -n $namespace describe scaledobject $app"; return 1; }
        [ "$(kube get scaledobject $app -o 'jsonpath={.status.conditions[?(@.type=="Fallback")].status}')" != True ] ||
            say "a trigger of the ScaledObject cannot be read: it falls back to a fixed number of workers"
    fi
    say "$ready of $wanted workers are ready, and one of them finds no problem"
}

case $command in
    diff)
        if ! kube get namespace "$namespace" -o name >/dev/null 2>&1; then
            say "Namespace $namespace is not there yet: all of it would be new"
            exit 1
        fi
        # The setup job is not changed but made anew, every time.
        kube diff --server-side --force-conflicts --field-manager=deploy \
            --selector='app.kubernetes.io/component!=setup' -f "$manifests"
        ;;
    check) check ;;
    secrets) secrets ;;
    apply) apply ;;
    verify) verify ;;
    rollback)
        confirm "Roll back the workers"
        roll_back
        ;;
    restart)
        confirm "Restart the workers"
        kube rollout restart deployment/$app >&2
        wait_rollout deployment/$app || fail "The workers do not become ready: kubectl -n $namespace describe pod"
        has Deployment $app-api || exit 0
        kube rollout restart deployment/$app-api >&2
        wait_rollout deployment/$app-api || fail "The API does not become ready: kubectl -n $namespace describe pod"
        ;;
esac
