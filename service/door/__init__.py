"""Who comes in and how: connections, bodies, keys, rates, the access log, and what a refusal looks like."""
