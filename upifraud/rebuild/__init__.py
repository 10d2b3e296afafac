"""The entity logs again, after a loss of Redis: from the verdicts in Postgres, or from the records in Kafka."""
