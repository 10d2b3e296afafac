-- Facts of a payment and its RRN beside the verdict; keys and the access log of the API; artifacts beside their verdicts.
-- Statements of the version before go on: what is new may be null, and they name their columns.

-- A long query of a day would make the ALTER wait, and whoever comes after it. It gives up, and `migrate` is called again.
SET LOCAL lock_timeout = '5s';

-- Facts and RRN ---------------------------------------------------------------------------------------------------

ALTER TABLE verdicts_by_day
    ADD COLUMN rrn bigint,              -- the twelve digits that customers and banks quote
    ADD COLUMN facts bytea;             -- JSON object by short keys, UTF-8: stream/facts.py has their names

-- An RRN is found live, so each day has its index from the beginning. It belongs to the partition alone: an index of the
-- whole table would have to be built on all days at once, while every payment waits. Days that are there get theirs here
-- if they are small, and from housekeeping otherwise, concurrently.
CREATE FUNCTION index_rrn(of_table regclass) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE format('CREATE INDEX %I ON %s (rrn) WHERE rrn IS NOT NULL',
                   (SELECT relname FROM pg_class WHERE oid = of_table) || '_rrn', of_table);
END
$$;

SELECT index_rrn(inhrelid) FROM pg_inherits
WHERE inhparent = 'verdicts_by_day'::regclass AND pg_relation_size(inhrelid) < 16 * 1024 * 1024;

CREATE OR REPLACE FUNCTION make_verdict_day(wanted date) RETURNS boolean
LANGUAGE plpgsql
SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
AS $$
BEGIN
    IF NOT attach_verdict_day(wanted) THEN
        RETURN false;
    END IF;
    -- Nobody sees the day before this transaction ends, so nobody waits.
    PERFORM keep_few_statistics(partition), index_rrn(partition) FROM verdict_days WHERE day = wanted;
    RETURN true;
END
$$;

-- As before, without a sample of facts.
CREATE OR REPLACE FUNCTION keep_few_statistics(of_table regclass) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    changes text;
BEGIN
    SELECT string_agg(
        format('ALTER COLUMN %I SET STATISTICS %s', attname,
               CASE WHEN attname IN ('vector', 'provenance', 'alert', 'facts') THEN 0 ELSE 10 END),
        ', ' ORDER BY attnum
    ) INTO changes
    FROM pg_attribute WHERE attrelid = of_table AND attnum > 0 AND NOT attisdropped;
    EXECUTE format('ALTER TABLE %s %s', of_table, changes);
END
$$;

SELECT keep_few_statistics(inhrelid) FROM pg_inherits WHERE inhparent = 'verdicts_by_day'::regclass;

-- `migrate` fills it from the program's own table each time.
CREATE TABLE fact_names (
    key text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE
);

-- Facts by their names; a key that has none stays as it is. Facts that cannot be read are shown as such: one odd row must
-- not take the view away.
CREATE FUNCTION facts_by_name(facts bytea) RETURNS jsonb
LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
AS $$
BEGIN
    RETURN (
        SELECT coalesce(jsonb_object_agg(coalesce(n.name, f.key), f.value), '{}')
        FROM jsonb_each(convert_from(facts, 'UTF8')::jsonb) AS f LEFT JOIN fact_names AS n ON n.key = f.key
    );
EXCEPTION WHEN data_exception THEN
    RETURN jsonb_build_object('unreadable', encode(facts, 'hex'));
END
$$;

-- What payments are searched by beside their columns. Indexes of closed days are on these expressions; PostgreSQL cannot
-- know that no argument makes them fail, so none does.

-- The keyed hash of the device, 8 bytes; null where a payment has none. features/store/provenance.py has the two forms.
CREATE FUNCTION device_hash(provenance bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN nullif(
    CASE WHEN length(provenance) = 80 THEN substr(provenance, 17, 8)
         WHEN length(provenance) > 80 THEN substr(provenance, 25, 8) END,
    '\x0000000000000000'::bytea
);

-- The keyed hash that a fact begins with as 16 hex digits, 8 bytes. In JSON a quote inside of a text has a backslash before it, so
-- what is looked for is never inside of one.
CREATE FUNCTION fact_hash(facts bytea, key text) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN decode(substring(encode(facts, 'escape') FROM '[{,]"' || key || '":"([0-9a-f]{16})'), 'hex');

CREATE OR REPLACE VIEW verdicts AS
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

-- The API ---------------------------------------------------------------------------------------------------------

-- A key itself is nowhere: who reads this table opens nothing with it.
CREATE TABLE api_keys (
    key_id text COLLATE "C" PRIMARY KEY,
    secret_sha256 bytea UNIQUE,         -- SHA-256 of the key as it is sent; null where only a certificate counts
    name text NOT NULL,
    scopes text[] NOT NULL,
    rate integer CHECK (rate > 0),      -- requests a second; null for the default
    subject text UNIQUE,                -- of a client certificate
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    CHECK (secret_sha256 IS NOT NULL OR subject IS NOT NULL)
);

-- Who looked at whom. No line has a VPA, a device or an account in it, only their keyed hash.
CREATE TABLE access_log (
    at timestamptz NOT NULL,
    who text COLLATE "C" NOT NULL,      -- key_id, or the name of a person
    kind text COLLATE "C" NOT NULL,     -- what was asked for: what-if, payer_vpa, rrn, entity, ...
    how_many integer NOT NULL,          -- payments or rows that it was about
    asked bytea,                        -- keyed hash of the person asked for; null where it is about none
    outcome text COLLATE "C" NOT NULL   -- found, none, refused, ...
);

CREATE INDEX access_log_at ON access_log (at);
CREATE INDEX access_log_asked ON access_log (asked) WHERE asked IS NOT NULL;

-- Artifacts -------------------------------------------------------------------------------------------------------

CREATE TABLE model_artifacts (
    model_id text COLLATE "C" PRIMARY KEY,
    sha256 bytea NOT NULL,              -- of `archive`
    archive bytea NOT NULL,             -- a zip file of the artifact's files
    size bigint NOT NULL,               -- bytes of the files
    stored_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE model_artifacts ALTER COLUMN archive SET STORAGE EXTERNAL;  -- compressed already
