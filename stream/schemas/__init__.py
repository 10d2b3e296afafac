"""JSON Schemas of all topics and the AsyncAPI document, generated from `stream.wire`: `python -m stream.schemas`."""
