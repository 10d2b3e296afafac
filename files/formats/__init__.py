"""Formats of files: what a file is by its bytes, and its rows in pieces."""
