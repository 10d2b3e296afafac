#!/usr/bin/env bash
# Backs up the verdict store while workers go on: one moment of all tables, with the row count and checksum of each.
set -euo pipefail

usage() {
    cat <<'END'
Usage: backup.sh --to DIR [--keep N] [--jobs N] [--compress METHOD]

Writes DIR/upifraud-YYYYMMDDTHHMMSSZ, which restore.sh restores and compares:
  dump/         pg_dump, directory format: pg_restore can also take single tables (days) from it
  tables.tsv    name, rows and checksum of every table, as of the very moment of the dump
  offsets.tsv   topic ("transactions", "outcomes"), partition, and the offset behind the last one that is in the dump
  checks.sql    the queries that made tables.tsv
  about         when, which server, which migration
  SHA256SUMS    of all of these
A backup that is not complete has a name that begins with ".partial".

  --to DIR           where backups go; made if it is not there
  --keep N           afterwards remove all complete backups but the N newest (default: remove none)
  --jobs N           tables dumped at the same time (default 2)
  --compress METHOD  as pg_dump has it, e.g. zstd:3 (default: pg_dump's own)

Environment:
  UPIFRAUD_POSTGRES_URL, or UPIFRAUD_POSTGRES_URL_FILE with the path of a file that holds it; the role needs to read
  all tables. pg_dump and psql must be on the PATH, of the server's major version or a newer one.

Example, nightly, a fortnight kept:
  17 21 * * *  UPIFRAUD_POSTGRES_URL_FILE=/run/secrets/postgres-url backup.sh --to /backups --keep 14

Removing days of verdicts (`upifraud housekeeping`) and a backup never run at the same time: a lock keeps them apart.
Exit codes: 0 done, 1 failed, 2 wrong arguments.
END
}

fail() { echo "backup.sh: $1" >&2; exit "${2:-1}"; }
wrong() { fail "$1 See backup.sh --help." 2; }

to="" keep="" jobs=2 compress=""
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --to | --keep | --jobs | --compress) [ $# -ge 2 ] || wrong "$1 needs a value." ;;
        *) wrong "Unknown argument $1." ;;
    esac
    case $1 in
        --to) to=$2 ;;
        --keep) keep=$2 ;;
        --jobs) jobs=$2 ;;
        --compress) compress=$2 ;;
    esac
    shift 2
done
[ -n "$to" ] || wrong "Expected --to DIR."
[[ $jobs =~ ^[1-9][0-9]*$ ]] || wrong "--jobs: expected a number from 1 on, got '$jobs'."
[[ $keep =~ ^([1-9][0-9]*)?$ ]] || wrong "--keep: expected a number from 1 on, got '$keep'."

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
for program in psql pg_dump; do
    command -v "$program" >/dev/null || fail "$program is not on the PATH: install the PostgreSQL client programs."
done

umask 077 # payments are personal data
mkdir -p "$to"
started=$(date -u +%Y%m%dT%H%M%SZ)
partial=$(mktemp -d "$to/.partial-$started-XXXXXX")
trap 'rm -rf "$partial"' EXIT

# Order does not count in a checksum: each row's md5 as a number, added up. As text a row depends on the session.
cat >"$partial/checks.sql" <<'END'
SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET bytea_output = 'hex';
SET extra_float_digits = 1;
SELECT format('SELECT %L, count(*), coalesce(sum((''x'' || left(md5(t::text), 16))::bit(64)::bigint::numeric), 0)'
              ' FROM %I.%I AS t', c.oid::regclass::text, n.nspname, c.relname)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_%'
ORDER BY c.oid::regclass::text COLLATE "C"
\gexec
END

# pg_dump and the checks look at one snapshot, which the session exports and holds.
export URL="$url" PARTIAL="$partial" JOBS="$jobs" COMPRESS="$compress"
psql --no-psqlrc --quiet --no-align --tuples-only --field-separator=$'\t' --set=ON_ERROR_STOP=1 --dbname="$url" <<'END' ||
SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0; SET lock_timeout = 0; SET timezone = 'UTC';
\set tables 0
SELECT count(*) AS tables FROM pg_class WHERE oid = to_regclass('schema_migrations') \gset
\if :tables
\else
  \warn 'There is no verdict store in this database: expected the table schema_migrations.'
  DO $$ BEGIN RAISE EXCEPTION 'nothing to back up'; END $$;
\endif
\o /dev/null
SELECT pg_advisory_lock(hashtext('upifraud.drop_days'));
\o
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT pg_export_snapshot() AS snapshot \gset
\setenv SNAPSHOT :snapshot
\cd `echo "$PARTIAL"`
\o about
SELECT 'taken_at', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
SELECT 'server_version', current_setting('server_version');
SELECT 'migration', max(version) FROM schema_migrations;
SELECT 'bytes', pg_database_size(current_database());
\o offsets.tsv
SELECT 'transactions', source_partition, max(source_offset) + 1 FROM verdicts_by_day GROUP BY 2 ORDER BY 2;
SELECT 'outcomes', source_partition, max(source_offset) + 1 FROM outcomes GROUP BY 2 ORDER BY 2;
\o
\set dumped `pg_dump --dbname="$URL" --snapshot="$SNAPSHOT" --format=directory --jobs="$JOBS" ${COMPRESS:+--compress="$COMPRESS"} --file=dump >&2 && echo 1 || echo 0`
\if :dumped
\else
  DO $$ BEGIN RAISE EXCEPTION 'pg_dump failed; what it said is above'; END $$;
\endif
\o tables.tsv
\i checks.sql
\o
COMMIT;
END
    fail "nothing was written; what PostgreSQL said is above."

(cd "$partial" && sha256sum about checks.sql offsets.tsv tables.tsv dump/* >.sums && mv .sums SHA256SUMS)
sync -f "$partial"
final="$to/upifraud-$started"
while [ -e "$final" ]; do # two backups began in the same second
    sleep 1
    final="$to/upifraud-$(date -u +%Y%m%dT%H%M%SZ)"
done
mv --no-target-directory "$partial" "$final"
rows=$(awk -F '\t' '{rows += $2} END {print rows + 0}' "$final/tables.tsv")
echo "$final: $(wc -l <"$final/tables.tsv") tables, $rows rows, $(du -sh "$final" | cut -f1)"

if [ -n "$keep" ]; then
    find "$to" -mindepth 1 -maxdepth 1 -type d -name 'upifraud-*Z' | sort -r | tail -n "+$((keep + 1))" |
        while read -r old; do
            rm -rf "$old"
            echo "removed $old"
        done
fi
