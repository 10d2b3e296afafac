"""The API beside the plain handler that people write, and beside the stream; `python -m bench api`."""

NAMES = ("api-stream", "api-crowd", "api-plain")
"""The parts, in their order."""
