"""The embedded stack for a laptop: broker, Redis and Postgres as real servers on loopback."""
