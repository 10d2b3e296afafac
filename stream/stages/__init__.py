"""What is done at the steps of a micro-batch: claimed, appended and measured, judged, stored, its outcomes counted."""
