-- What the API may do in PostgreSQL: read all, end holds, note who looked at whom and when a key was used. It can write no
-- verdict, no claim and no outcome, so it cannot be a second writer beside the stream. Run by the owner of the tables,
-- after every migration; it may run again. The role itself is made by a superuser: docs/kubernetes.md.
BEGIN;

GRANT USAGE ON SCHEMA public TO upifraud_api;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO upifraud_api;
-- Days that are made later.
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO upifraud_api;

GRANT INSERT ON access_log TO upifraud_api;
GRANT UPDATE (last_used_at) ON api_keys TO upifraud_api;
GRANT INSERT ON resolutions TO upifraud_api;
GRANT UPDATE (published_at) ON resolutions TO upifraud_api;
GRANT DELETE ON open_holds TO upifraud_api;

COMMIT;
