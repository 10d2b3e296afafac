"""How well frauds are ranked: the code and training of an earlier commit, of now, and of now without each of its parts."""
