"""The Kafka edge: decode, agents, effects in order, verdicts, alerts, dead letters."""
