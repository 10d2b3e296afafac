"""`upifraud demo`: the main job on servers of its own, shown live from what its parts really say."""
