"""Artifact, scoring, exact explanation, training and evaluation; knows features only by vector."""
