"""A map proposed for somebody else's file: from the names of its columns and from their values, each with a reason.

Nothing here reads a file: a `Sample` goes in, a `Proposal` comes out.
"""
