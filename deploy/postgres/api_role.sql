-- The API's own role: it reads verdicts, ends holds, and writes its access log and when keys were last used. It can write
-- no verdict, no claim and no outcome, so it cannot be a second writer beside the stream.
--
-- Run it as the owner of the tables, in their database, after `upifraud migrate`, and again after each upgrade:
--     psql "$UPIFRAUD_POSTGRES_URL" -v ON_ERROR_STOP=1 -f deploy/postgres/api_role.sql
-- To make the role takes the right CREATEROLE; where the owner has it not, somebody makes `upifraud_api` before. The role
-- has no password: set one with \password upifraud_api, or let it log in by a certificate.

DO $$
BEGIN
    -- Looked for first: an owner that may make no roles is refused even where there is one.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'upifraud_api') THEN
        CREATE ROLE upifraud_api LOGIN;
    END IF;
END
$$;

GRANT USAGE ON SCHEMA public TO upifraud_api;

-- Days are read through verdicts_by_day, so days that are made later need no grant.
GRANT SELECT ON payment_ids, verdicts_by_day, verdicts, verdict_days, models, model_artifacts, fact_names, outcomes,
    schema_migrations TO upifraud_api;

GRANT SELECT, UPDATE (last_used_at) ON api_keys TO upifraud_api;
GRANT INSERT ON access_log TO upifraud_api;

-- Holds: a row of resolutions never changes but for when it was published.
GRANT SELECT ON open_holds, resolutions TO upifraud_api;
GRANT INSERT, UPDATE (published_at) ON resolutions TO upifraud_api;
GRANT DELETE ON open_holds TO upifraud_api;
