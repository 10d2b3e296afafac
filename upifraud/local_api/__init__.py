"""The API on this machine: as a server of the local stack, and what the demo needs of it too."""
