"""How well frauds are ranked: by an earlier commit, by now, and by now without each of its parts."""
