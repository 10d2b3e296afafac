"""A trained forest as tables: read from scikit-learn once, then scored and explained exactly by compiled code."""
