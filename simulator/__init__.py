"""The UPI switch: honest traffic and fraud typologies, seeded."""
