"""Logs that a worker keeps, so that it need not read them again. What it measures is the same without them."""
