"""Payments that somebody waits for: published to the topic, and looked for in Postgres until their row is there."""
