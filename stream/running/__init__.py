"""What keeps a worker going: its lanes, calls that are made again, health and probes, periodic checks."""
