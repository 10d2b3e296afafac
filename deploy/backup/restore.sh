#!/usr/bin/env bash
# Restores a backup of backup.sh into an empty database and proves that every table is what it was.
set -euo pipefail

usage() {
    cat <<'END'
Usage: restore.sh --from DIR/upifraud-YYYYMMDDTHHMMSSZ [--jobs N] [--check-only]

Checks the files, restores them, and compares row count and checksum of every table with those of the backup.
The database must be there and hold no tables:  createdb upifraud

  --from BACKUP  a directory that backup.sh wrote
  --jobs N       tables restored at the same time (default 2)
  --check-only   check the files, restore nothing; no database is needed

Owners and grants are not restored: all belongs to the role that restores. Give readers their rights anew.

Environment:
  UPIFRAUD_POSTGRES_URL, or UPIFRAUD_POSTGRES_URL_FILE with the path of a file that holds it. pg_restore and psql must
  be on the PATH, of the version of the pg_dump that wrote the backup or a newer one.

Stop all workers first. What to do afterwards, so that they go on where the backup ends: docs/operations.md, Restore.
Exit codes: 0 restored and equal, 1 failed, 2 wrong arguments.
END
}

fail() { echo "restore.sh: $1" >&2; exit "${2:-1}"; }
wrong() { fail "$1 See restore.sh --help." 2; }

from="" jobs=2 check_only=false
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --check-only) check_only=true; shift; continue ;;
        --from | --jobs) [ $# -ge 2 ] || wrong "$1 needs a value." ;;
        *) wrong "Unknown argument $1." ;;
    esac
    case $1 in
        --from) from=$2 ;;
        --jobs) jobs=$2 ;;
    esac
    shift 2
done
[ -n "$from" ] || wrong "Expected --from BACKUP."
[[ $jobs =~ ^[1-9][0-9]*$ ]] || wrong "--jobs: expected a number from 1 on, got '$jobs'."
[ -f "$from/SHA256SUMS" ] || fail "$from is no complete backup: expected a SHA256SUMS in it. Take another one."

(cd "$from" && sha256sum --quiet --strict --check SHA256SUMS) ||
    fail "the files of $from are not what backup.sh wrote. Take another backup."
echo "files are whole: $(awk -F '\t' '{rows += $2} END {print NR " tables, " rows + 0 " rows"}' "$from/tables.tsv")"
! $check_only || exit 0

url=${UPIFRAUD_POSTGRES_URL:-}
[ -n "$url" ] || url=$(cat "${UPIFRAUD_POSTGRES_URL_FILE:-/dev/null}")
[ -n "$url" ] || fail "Expected the database in UPIFRAUD_POSTGRES_URL or a file named in UPIFRAUD_POSTGRES_URL_FILE." 2
# A password in an argument could be read by every user of the machine: libpq gets it by its environment variable.
if [[ $url =~ ^(postgres(ql)?://[^:@/]+):([^@]*)@(.*)$ ]]; then
    password=${BASH_REMATCH[3]}
    url="${BASH_REMATCH[1]}@${BASH_REMATCH[4]}"
    export PGPASSWORD
    PGPASSWORD=$(printf '%b' "${password//%/\\x}")
fi
for program in psql pg_restore; do
    command -v "$program" >/dev/null || fail "$program is not on the PATH: install the PostgreSQL client programs."
done
ask() {
    psql --no-psqlrc --quiet --no-align --tuples-only --field-separator=$'\t' --set=ON_ERROR_STOP=1 --dbname="$url" "$@"
}

there=$(ask --command="SELECT count(*) FROM pg_class AS c WHERE relkind IN ('r', 'p', 'v', 'S')
    AND relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname LIKE 'pg\\_%' OR nspname = 'information_schema')")
[ "$there" = 0 ] || fail "the database is not empty ($there tables, views and sequences): expected a fresh one. Make one \
with createdb under another name and point UPIFRAUD_POSTGRES_URL at it."

pg_restore --dbname="$url" --jobs="$jobs" --exit-on-error --no-owner --no-privileges "$from/dump" ||
    fail "pg_restore failed; what it said is above. Drop the database and make it anew before you try again."
ask --command="ANALYZE" # or the first plans are made for empty tables

found=$(mktemp)
trap 'rm -f "$found"' EXIT
ask --file="$from/checks.sql" >"$found"
diff --unified=0 --label=backup --label=restored "$from/tables.tsv" "$found" >&2 ||
    fail "the restored tables differ from the backup, see above: do not start workers on them."
echo "restored and equal: row count and checksum of all $(wc -l <"$found") tables"
echo "as of $(awk -F '\t' '$1 == "taken_at" {print $2}' "$from/about"); next: docs/operations.md, Restore"
