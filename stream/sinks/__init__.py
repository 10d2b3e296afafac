"""Where verdicts go once they are stored, and where dead letters go."""
