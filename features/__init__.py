"""Declared features over exact sliding windows; knows nothing of Kafka or models."""
