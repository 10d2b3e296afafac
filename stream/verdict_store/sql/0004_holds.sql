-- Holds that end. docs/holds.md says what they are for, docs/specs/verdict_store.md what each part is.
-- Workers of the version before go on: they leave hold_until null, and such a HOLD has no end.

ALTER TABLE verdicts_by_day ADD COLUMN hold_until timestamptz;  -- of a HOLD that ends

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

CREATE FUNCTION open_hold() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO open_holds (transaction_id, event_time, hold_until)
    VALUES (NEW.transaction_id, NEW.event_time, NEW.hold_until);
    RETURN NULL;
END
$$;

-- In the transaction of the verdict, so that no hold is without its row whoever dies. What is not a HOLD costs one
-- comparison.
CREATE TRIGGER open_hold AFTER INSERT ON verdicts_by_day FOR EACH ROW WHEN (NEW.verdict = 2)
EXECUTE FUNCTION open_hold();

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
