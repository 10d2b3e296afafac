"""Honest stories that resemble frauds: one module each, so that no single sign gives a fraud away."""
