#!/usr/bin/env bash
# Run once, by the image, when the server's directory is made: the program is not the superuser, and the API is not the
# program. What the API may do is granted by the setup job, once there are tables.
set -euo pipefail
psql --no-psqlrc --set=ON_ERROR_STOP=1 --username=postgres --dbname=postgres <<'END'
\set password `cat /run/secrets/postgres/password`
CREATE ROLE upifraud LOGIN PASSWORD :'password';
CREATE DATABASE upifraud OWNER upifraud;
END
[ -f /run/secrets/postgres/api-password ] || exit 0
psql --no-psqlrc --set=ON_ERROR_STOP=1 --username=postgres --dbname=postgres <<'END'
\set password `cat /run/secrets/postgres/api-password`
CREATE ROLE upifraud_api LOGIN PASSWORD :'password';
END
