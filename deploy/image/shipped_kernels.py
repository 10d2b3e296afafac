"""Kernels that the image ships are found where nothing can be written; what it lacks is compiled in memory.

numba looks only into cache directories that it can write to, and a container's root file system is read-only: without
this every worker would compile all kernels when it starts. numba loads it by NUMBA_CACHE_LOCATOR_CLASSES, which
the image sets; so it holds for every program in it, however it is called.
"""  # noqa: INP001 - copied into the image's site-packages, a module by itself

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import llvmlite.binding
from numba import config
from numba.core.caching import FunctionCache, InTreeCacheLocator

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

NEEDED: Final = {
    "x86-64-v2": {"cx16", "popcnt", "sse4.2", "ssse3"},
    "x86-64-v3": {"avx2", "bmi", "bmi2", "cx16", "f16c", "fma", "lzcnt", "movbe", "popcnt", "sse4.2", "ssse3"},
}
"""What kernels for these processors use; others have to know what they do."""


class ShippedKernels(InTreeCacheLocator):  # type: ignore[misc]
    """Looks beside the module, or in `numba.config.CACHE_DIR`, and does not ask whether it could write there."""

    def __init__(self, kernel: Callable[..., Any], source: str) -> None:
        super().__init__(kernel, source)
        if config.CACHE_DIR:
            self._cache_path = str(Path(config.CACHE_DIR) / self.get_suitable_cache_subpath(source))

    @classmethod
    def from_function(cls, kernel: Callable[..., Any], source: str) -> ShippedKernels | None:
        """Return the directory of a kernel's file; None for a function that is in no file."""
        return cls(kernel, source) if Path(source).exists() else None


def check_processor(name: str | None, features: dict[str, bool]) -> None:
    """Raise RuntimeError where kernels for the processor `name` would end this process by an illegal instruction."""
    missing = sorted(feature for feature in NEEDED.get(name or "", ()) if not features.get(feature))
    if missing:
        raise RuntimeError(
            f"The image's kernels are for {name}, but this processor lacks {', '.join(missing)}. Build the image with "
            "--build-arg KERNEL_CPU=x86-64-v2, or set NUMBA_CPU_NAME=x86-64 to have all kernels compiled at the start."
        )


def _lenient(save: Callable[[Any, Any, Any], None]) -> Callable[[Any, Any, Any], None]:
    def save_overload(cache: Any, signature: Any, compiled: Any) -> None:
        try:
            save(cache, signature, compiled)
        except OSError as error:
            log.warning("%r was compiled anew and could not be kept: %s", cache, os.strerror(error.errno or 0))

    return save_overload


# numba lets this error through, which would end a worker for having compiled a kernel.
FunctionCache.save_overload = _lenient(FunctionCache.save_overload)
check_processor(config.CPU_NAME, llvmlite.binding.get_host_cpu_features())
