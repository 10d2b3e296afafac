-- The API's own role: it reads verdicts, and writes nothing but its access log and when keys were last used.
--
-- Run it as the owner of the tables, in their database, after `upifraud migrate`, and again after each upgrade:
--     psql "$UPIFRAUD_POSTGRES_URL" -v ON_ERROR_STOP=1 -f deploy/postgres/api_role.sql
-- To make the role takes the right CREATEROLE; where the owner has it not, somebody makes `upifraud_api` before. The role
-- has no password: set one with \password upifraud_api, or let it log in by a certificate.

DO $$
BEGIN
    CREATE ROLE upifraud_api LOGIN;
EXCEPTION WHEN duplicate_object THEN
    NULL;  -- made before; what follows is granted anew
END
$$;

GRANT USAGE ON SCHEMA public TO upifraud_api;

-- Days are read through verdicts_by_day, so days that are made later need no grant.
GRANT SELECT ON payment_ids, verdicts_by_day, verdicts, verdict_days, models, model_artifacts, fact_names, outcomes,
    schema_migrations TO upifraud_api;

GRANT SELECT, UPDATE (last_used_at) ON api_keys TO upifraud_api;
GRANT INSERT ON access_log TO upifraud_api;
