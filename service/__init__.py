"""The HTTP edge: `upifraud api`. Payments that are posted go through the topic; nothing here writes verdicts."""
