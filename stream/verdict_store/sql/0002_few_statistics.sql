-- Few statistics of the days' partitions. A day that has grown by a tenth is analysed, and the default sample of 30,000
-- rows, vectors included, took 0.3 s of a core each time: with a history replayed through several days at once a tenth of
-- all that the server did. All that is asked of a day goes by its key or its range of time, for which few are enough.

CREATE FUNCTION keep_few_statistics(of_table regclass) RETURNS void
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

SELECT keep_few_statistics(inhrelid) FROM pg_inherits WHERE inhparent = 'verdicts_by_day'::regclass;

-- As it was, but for the line that LIKE makes necessary: it does not copy what is set here.
CREATE OR REPLACE FUNCTION make_verdict_day(wanted date) RETURNS boolean
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
    PERFORM keep_few_statistics(format('%I', name)::regclass);
    EXECUTE format('ALTER TABLE verdicts_by_day ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   name, wanted::timestamptz, (wanted + 1)::timestamptz);
    RETURN true;
END
$$;
