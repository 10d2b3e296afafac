"""Logs in memory and the kernels that measure them: a vector is the same bits wherever it is measured."""
