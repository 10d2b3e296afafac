-- Takes away what migration 0004 made: when HOLDs end, which are open, and how they ended. All that is lost.
--
-- The version before runs on the tables as they are, so this is needed only by who wants them gone. Migrations after 0004
-- must be taken away first. Resolutions that the broker has not confirmed are refused to be lost: run `upifraud holds expire`.
-- Stop the workers and the API of this version, then run it as the owner of the tables:
--     psql "$UPIFRAUD_POSTGRES_URL" -v ON_ERROR_STOP=1 --single-transaction -f deploy/postgres/drop_0004.sql

DO $$
BEGIN
    IF (SELECT max(version) FROM schema_migrations) <> 4 THEN
        RAISE EXCEPTION 'expected tables at migration 0004, got %', (SELECT max(version) FROM schema_migrations);
    END IF;
    IF EXISTS (SELECT FROM resolutions WHERE published_at IS NULL) THEN
        RAISE EXCEPTION 'resolutions wait for the broker: run upifraud holds expire, then this again';
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
       unpack_float32(v.vector) AS vector,
       v.decided_at,
       v.payer_vpa,
       v.payee_vpa,
       v.amount_paise,
       v.rrn,
       facts_by_name(v.facts) AS facts
FROM verdicts_by_day AS v
LEFT JOIN models AS m USING (model_key);

ALTER TABLE verdicts_by_day DROP COLUMN hold_until;
DROP TABLE open_holds, resolutions;
DELETE FROM schema_migrations WHERE version = 4;
