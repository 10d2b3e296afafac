"""Others who do the worker's job on the same servers, each written as its own documentation would have it.

`python -m bench.peers compare` measures them beside the worker in one run; `python -m bench.peers NAME` runs one. What
each does, and what it leaves out, is in README.md.
"""
