"""Anybody's files as messages: formats, encodings, maps of columns; knows nothing of who reads them."""
