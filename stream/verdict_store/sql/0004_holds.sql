-- Holds that end. docs/holds.md says what they are for, docs/specs/verdict_store.md what each part is.
-- Workers of the version before go on: they leave hold_until null, and such a HOLD has no end.

-- As in 0003: a long query of a day must not make every payment wait behind this.
SET LOCAL lock_timeout = '5s';

ALTER TABLE verdicts_by_day ADD COLUMN hold_until timestamptz;  -- of a HOLD that ends

-- Few of the new column, too: see 0002.
SELECT keep_few_statistics(inhrelid) FROM pg_inherits WHERE inhparent = 'verdicts_by_day'::regclass;

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
       facts_by_name(v.facts) AS facts,
       v.hold_until
FROM verdicts_by_day AS v
LEFT JOIN models AS m USING (model_key);

-- HOLDs that nobody has ended. A table of their own: it is as small as the work that is left, however many days of
-- verdicts there are. An index on verdicts_by_day would have one part a day, would keep every hold that ever was, and
-- would have to be built while payments wait.
CREATE TABLE open_holds (
    transaction_id text COLLATE "C" NOT NULL,
    event_time timestamptz NOT NULL,
    hold_until timestamptz,
    PRIMARY KEY (transaction_id, event_time)
);

CREATE INDEX open_holds_until ON open_holds (hold_until) WHERE hold_until IS NOT NULL;

-- How holds ended: one row at most for each, and the first one stands.
CREATE TABLE resolutions (
    transaction_id text COLLATE "C" NOT NULL,
    event_time timestamptz NOT NULL,
    action text NOT NULL CHECK (action IN ('RELEASE', 'REJECT')),
    cause text NOT NULL CHECK (cause IN ('PERSON', 'EXPIRY')),
    by text,                            -- null at an EXPIRY
    at timestamptz NOT NULL,            -- at an EXPIRY the hold's end
    reason text,
    record bytea NOT NULL,              -- the exact bytes for the topic
    published_at timestamptz,           -- null until the broker has confirmed it
    PRIMARY KEY (transaction_id, event_time)
);

CREATE INDEX resolutions_waiting ON resolutions (at, transaction_id) WHERE published_at IS NULL;
CREATE INDEX resolutions_at ON resolutions (at);
