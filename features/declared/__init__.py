"""Groups of features that are declared in a file of their own; features/definitions.py puts them in order."""
