-- Takes away what migration 0003 made: facts, RRNs, keys of the API, its access log, kept artifacts. They are lost.
--
-- The version before runs on the tables as they are, so this is needed only by who wants them gone. Migrations after 0003
-- must be taken away first. Stop the workers and the API of this version, then run it as the owner of the tables:
--     psql "$UPIFRAUD_POSTGRES_URL" -v ON_ERROR_STOP=1 --single-transaction -f deploy/postgres/drop_0003.sql

DO $$
BEGIN
    IF (SELECT max(version) FROM schema_migrations) <> 3 THEN
        RAISE EXCEPTION 'expected tables at migration 0003, got %', (SELECT max(version) FROM schema_migrations);
    END IF;
END
$$;

DROP VIEW verdicts;

CREATE VIEW verdicts AS
SELECT v.transaction_id,
       v.event_time,
       v.score,
       v.margin,
       m.base_value,
       (ARRAY['ALLOW', 'REVIEW', 'HOLD', 'BLOCK'])[v.verdict + 1] AS verdict,
       (ARRAY['FULL', 'COLD', 'LATE', 'DEGRADED'])[v.feature_state + 1] AS feature_state,
       m.model_id,
       m.schema_hash,
       unpack_float32(v.vector) AS vector
FROM verdicts_by_day AS v
LEFT JOIN models AS m USING (model_key);

-- The indexes of RRNs and accounts go with their columns.
ALTER TABLE verdicts_by_day DROP COLUMN facts, DROP COLUMN rrn;

DO $$
DECLARE
    index regclass;
BEGIN
    FOR index IN
        SELECT indexrelid FROM pg_inherits JOIN pg_index ON indrelid = inhrelid JOIN pg_class ON oid = indexrelid
        WHERE inhparent = 'verdicts_by_day'::regclass AND relname ~ '_(payer_vpa|payee_vpa|device)$'
    LOOP
        EXECUTE format('DROP INDEX %s', index);
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION make_verdict_day(wanted date) RETURNS boolean
LANGUAGE plpgsql
SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
AS $$
BEGIN
    IF NOT attach_verdict_day(wanted) THEN
        RETURN false;
    END IF;
    PERFORM keep_few_statistics(partition) FROM verdict_days WHERE day = wanted;
    RETURN true;
END
$$;

CREATE OR REPLACE FUNCTION keep_few_statistics(of_table regclass) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    changes text;
BEGIN
    SELECT string_agg(
        format('ALTER COLUMN %I SET STATISTICS %s', attname,
               CASE WHEN attname IN ('vector', 'provenance', 'alert') THEN 0 ELSE 10 END),
        ', ' ORDER BY attnum
    ) INTO changes
    FROM pg_attribute WHERE attrelid = of_table AND attnum > 0 AND NOT attisdropped;
    EXECUTE format('ALTER TABLE %s %s', of_table, changes);
END
$$;

DROP FUNCTION index_rrn(regclass), facts_by_name(bytea), device_hash(bytea), fact_hash(bytea, text);
DROP TABLE fact_names, api_keys, access_log, model_artifacts;
DELETE FROM schema_migrations WHERE version = 3;
