-- What the entity logs were given of outcomes, in the order in which they got it: a rebuild gives it back. `outcomes` has
-- only what stands of each payment; payments between a report and its correction had windows with the report.

CREATE SEQUENCE outcome_report_numbers;

CREATE TABLE outcome_reports (
    number bigint PRIMARY KEY,          -- the order; there are gaps
    transaction_id text COLLATE "C" NOT NULL,
    reported_at timestamptz NOT NULL,
    is_fraud boolean NOT NULL,
    UNIQUE (transaction_id, reported_at, is_fraud)  -- reports are set by content
);
