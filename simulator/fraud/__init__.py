"""Frauds as campaigns: one module a typology, each telling its campaigns payment by payment."""
