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

-- A new day's table is made and attached as before; LIKE does not copy what is set here.
ALTER FUNCTION make_verdict_day(date) RENAME TO attach_verdict_day;

CREATE FUNCTION make_verdict_day(wanted date) RETURNS boolean
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
