-- The verdict store. docs/specs/verdict_store.md says what each part is for and what was measured.

-- Claims ----------------------------------------------------------------------------------------------------------

-- One table for all days: an id's reuse on another day must be found, and the primary key alone does that atomically.
-- Columns are ordered so that nothing is padded: 68 bytes an id with its line pointer.
CREATE TABLE payment_ids (
    id uuid PRIMARY KEY,                -- keyed 128-bit hash of the transaction_id
    fingerprint bigint NOT NULL,        -- hash of event_time, amount, payer and payee
    source_offset bigint NOT NULL,
    source_partition integer NOT NULL,
    claimed_on integer NOT NULL         -- days since 1970-01-01 UTC; forgotten after 3 days
);

-- Claims distinct ids in ascending order and returns those that were claimed before, by their place in the arrays.
-- Looking first and inserting plainly costs 1 us an id less than ON CONFLICT, which writes every row twice to the log.
-- Of two sessions that claim a free id at the same moment one gets unique_violation, has stored nothing, and calls
-- again as contended.
CREATE FUNCTION claim_payments(
    ids uuid[], fingerprints bigint[], partitions integer[], offsets bigint[], today integer, contended boolean
) RETURNS TABLE (place bigint, fingerprint bigint, source_partition integer, source_offset bigint)
LANGUAGE plpgsql
-- A plan made while the table was small must not scan it once it is large.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    inserted bigint;
    found_before bigint;
BEGIN
    IF contended THEN
        INSERT INTO payment_ids (id, fingerprint, source_partition, source_offset, claimed_on)
        SELECT new.id, new.fingerprint, new.source_partition, new.source_offset, today
        FROM unnest(ids, fingerprints, partitions, offsets) AS new (id, fingerprint, source_partition, source_offset)
        ON CONFLICT DO NOTHING;
    ELSE
        INSERT INTO payment_ids (id, fingerprint, source_partition, source_offset, claimed_on)
        SELECT new.id, new.fingerprint, new.source_partition, new.source_offset, today
        FROM unnest(ids, fingerprints, partitions, offsets) AS new (id, fingerprint, source_partition, source_offset)
        WHERE NOT EXISTS (SELECT FROM payment_ids AS old WHERE old.id = new.id);
    END IF;
    GET DIAGNOSTICS inserted = ROW_COUNT;
    IF inserted = cardinality(ids) THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT new.place - 1, old.fingerprint, old.source_partition, old.source_offset
        FROM unnest(ids) WITH ORDINALITY AS new (id, place)
        JOIN payment_ids AS old ON old.id = new.id
        WHERE old.xmin <> pg_current_xact_id()::xid;
    GET DIAGNOSTICS found_before = ROW_COUNT;
    IF inserted + found_before <> cardinality(ids) THEN
        RAISE EXCEPTION 'ids were forgotten while they were claimed' USING ERRCODE = 'serialization_failure';
    END IF;
END
$$;

-- Verdicts --------------------------------------------------------------------------------------------------------

CREATE TABLE models (
    model_key smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_id text NOT NULL UNIQUE,
    schema_hash text NOT NULL,
    base_value double precision NOT NULL,
    features text[] NOT NULL,           -- names in vector order
    thresholds jsonb NOT NULL
);

-- One row a payment. No foreign key to models: it would be checked for every row, and a model is never removed.
-- Ids and VPAs compare as bytes (collation C), which is what an equality index needs and the cheapest there is.
CREATE TABLE verdicts_by_day (
    event_time timestamptz NOT NULL,
    decided_at timestamptz NOT NULL,
    amount_paise bigint NOT NULL,
    score double precision NOT NULL,
    margin double precision NOT NULL,
    source_offset bigint NOT NULL,
    source_partition integer NOT NULL,
    verdict smallint NOT NULL,          -- 0 ALLOW, 1 REVIEW, 2 HOLD, 3 BLOCK
    feature_state smallint NOT NULL,    -- 0 FULL, 1 COLD, 2 LATE, 3 DEGRADED
    model_key smallint NOT NULL,
    transaction_id text COLLATE "C" NOT NULL,
    payer_vpa text COLLATE "C" NOT NULL,
    payee_vpa text COLLATE "C" NOT NULL,
    vector bytea NOT NULL,              -- float32, little-endian
    provenance bytea NOT NULL,          -- what the entity logs got from this payment, and where
    alert bytea,                        -- the alert's exact bytes, if there was one
    PRIMARY KEY (transaction_id, event_time)
) PARTITION BY RANGE (event_time);

-- There is no default partition: with one, adding a day would wait for every query that is under way, and removing a
-- day could not be done concurrently. What lies more than 100 days before this installation goes into one partition, so
-- that neither senseless times nor the replay of a long history make partitions without end: each one costs whoever
-- looks for a payment by its id alone.
DO $$
DECLARE
    earliest date := (now() AT TIME ZONE 'UTC')::date - 100;
BEGIN
    PERFORM set_config('timezone', 'UTC', true);
    EXECUTE format('CREATE TABLE verdicts_early PARTITION OF verdicts_by_day FOR VALUES FROM (MINVALUE) TO (%L)',
                   earliest::timestamptz);
    EXECUTE format('CREATE TABLE verdicts_late PARTITION OF verdicts_by_day FOR VALUES FROM (%L) TO (MAXVALUE)',
                   '2200-01-01'::timestamptz);
END
$$;

-- The partitions of single days, in order of time.
CREATE VIEW verdict_days AS
SELECT child.oid::regclass AS partition,
       (substring(pg_get_expr(child.relpartbound, child.oid) FROM 'FROM \(''([^'']+)')::timestamptz
           AT TIME ZONE 'UTC')::date AS day,
       link.inhdetachpending AS is_leaving
FROM pg_inherits AS link
JOIN pg_class AS child ON child.oid = link.inhrelid
WHERE link.inhparent = 'verdicts_by_day'::regclass
  AND child.relname NOT IN ('verdicts_early', 'verdicts_late')
ORDER BY day;

-- Makes the partition of a UTC day unless there is one; true if it was made. Safe whoever else does the same at the
-- same time. The table is made alone and then attached, which takes no lock that a query or a COPY waits for.
CREATE FUNCTION make_verdict_day(wanted date) RETURNS boolean
LANGUAGE plpgsql
SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
AS $$
DECLARE
    name text := 'verdicts_' || to_char(wanted, 'YYYYMMDD');
    earliest timestamptz;
    leaving boolean;
BEGIN
    SELECT substring(pg_get_expr(relpartbound, oid) FROM 'TO \(''([^'']+)')::timestamptz INTO STRICT earliest
    FROM pg_class WHERE oid = 'verdicts_early'::regclass;
    IF wanted < earliest OR wanted >= '2200-01-01' THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('upifraud.make_verdict_day'));
    SELECT is_leaving INTO leaving FROM verdict_days WHERE day = wanted;
    IF leaving THEN
        RAISE EXCEPTION 'the partition of % is being removed', wanted USING ERRCODE = 'lock_not_available';
    ELSIF FOUND THEN
        RETURN false;
    END IF;
    WHILE to_regclass(name) IS NOT NULL LOOP  -- somebody keeps a detached partition under this name
        name := name || '_';
    END LOOP;
    EXECUTE format('CREATE TABLE %I (LIKE verdicts_by_day INCLUDING ALL)', name);
    EXECUTE format('ALTER TABLE verdicts_by_day ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   name, wanted::timestamptz, (wanted + 1)::timestamptz);
    RETURN true;
END
$$;

-- A packed vector as numbers, bit for bit: every float32 is a float8, in which this is computed exactly. 40 us a vector
-- of 72 for whoever asks for it, against 1 to 2.5 us more for every payment if it were stored as an array.
CREATE FUNCTION unpack_float32(packed bytea) RETURNS real[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    numbers real[] := array_fill(0::real, ARRAY[length(packed) / 4]);
    high integer;
    middle integer;
    exponent integer;
    fraction integer;
BEGIN
    FOR place IN 0 .. length(packed) / 4 - 1 LOOP
        high := get_byte(packed, 4 * place + 3);
        middle := get_byte(packed, 4 * place + 2);
        exponent := (high & 127) * 2 + middle / 128;
        fraction := (middle & 127) * 65536 + get_byte(packed, 4 * place + 1) * 256 + get_byte(packed, 4 * place);
        numbers[place + 1] := CASE WHEN high < 128 THEN 1 ELSE -1 END::float8 * CASE
            WHEN exponent = 255 THEN CASE WHEN fraction = 0 THEN 'Infinity'::float8 ELSE 'NaN'::float8 END
            WHEN exponent = 0 THEN fraction * 2::float8 ^ (-149)
            ELSE (fraction + 8388608) * 2::float8 ^ (exponent - 150)
        END;
    END LOOP;
    RETURN numbers;
END
$$;

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

-- Outcomes --------------------------------------------------------------------------------------------------------

CREATE TABLE outcomes (
    transaction_id text COLLATE "C" PRIMARY KEY,
    outcome text NOT NULL CHECK (outcome IN ('FRAUD', 'GENUINE')),
    reported_at timestamptz NOT NULL,
    typology text,
    source text,
    source_partition integer NOT NULL,
    source_offset bigint NOT NULL,
    waiting boolean NOT NULL            -- until entity risk has taken it; before its payment's verdict it cannot
);

CREATE INDEX outcomes_waiting ON outcomes (transaction_id) WHERE waiting;
