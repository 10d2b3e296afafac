"""The online store: its contract, the names and bytes of its layout, and two stores that keep to it."""
