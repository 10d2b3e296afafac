#!/usr/bin/env bash
# Run once, by the image, when the server's directory is made: the program is not the superuser.
set -euo pipefail
psql --no-psqlrc --set=ON_ERROR_STOP=1 --username=postgres --dbname=postgres <<'END'
\set password `cat /run/secrets/postgres/password`
CREATE ROLE upifraud LOGIN PASSWORD :'password';
CREATE DATABASE upifraud OWNER upifraud;
END
