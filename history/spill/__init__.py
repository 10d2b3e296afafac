"""Histories larger than memory: cut by entities into buckets on disk, measured bucket by bucket, joined by row."""
