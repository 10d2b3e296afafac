"""What the design's choices are worth: each beside what was not chosen, on the same input, in one run.

`python -m bench.ablations` prints one table of ratios.
"""
