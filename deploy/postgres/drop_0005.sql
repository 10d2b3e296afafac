-- Takes away what migration 0005 made: in which order outcomes reached the entity logs. That is lost.
--
-- The version before runs on the tables as they are, so this is needed only by who wants them gone. Migrations after 0005
-- must be taken away first. Stop the workers of this version, then run it as the owner of the tables:
--     psql "$UPIFRAUD_POSTGRES_URL" -v ON_ERROR_STOP=1 --single-transaction -f deploy/postgres/drop_0005.sql

DO $$
BEGIN
    IF (SELECT max(version) FROM schema_migrations) <> 5 THEN
        RAISE EXCEPTION 'expected tables at migration 0005, got %', (SELECT max(version) FROM schema_migrations);
    END IF;
END
$$;

DROP TABLE outcome_reports;
DROP SEQUENCE outcome_report_numbers;
DELETE FROM schema_migrations WHERE version = 5;
