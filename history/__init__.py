"""Histories: files of payments and outcomes decoded as the stream decodes, and measured as the stream would have."""
