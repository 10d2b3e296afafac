"""UPI's XML messages as payments: read defused, mapped by name, refused by reason. The table: docs/upi-mapping.md."""
