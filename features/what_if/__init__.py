"""What the stream would say of a payment now, and what the logs say of an entity; nothing is kept of either."""
