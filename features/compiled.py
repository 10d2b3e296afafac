"""Kernels compiled once and cached until any source that they are made of changes.

numba looks at a kernel's own file only when it decides whether what it cached still holds, while constants and inlined
functions of other modules are compiled in: after a new line in windows.py it would go on with kernels of the old
windows. Here the cache's directory carries a digest of the kernel's module and of all modules that it builds on.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

Kernel = TypeVar("Kernel", bound="Callable[..., Any]")
_CONFIG: Final[Any] = numba.config

_IMPORTED: Final = re.compile(r"^from (\w+(?:\.\w+)+) import", re.MULTILINE)
"""An import that is there at run time: those for types only are indented."""


def njit(*, inline: Literal["never", "always"] = "never") -> Callable[[Kernel], Kernel]:
    """Compile a function without Python objects or the interpreter's lock; used like `numba.njit`."""

    def compiled(kernel: Kernel) -> Kernel:
        path, given = Path(kernel.__code__.co_filename), _CONFIG.CACHE_DIR
        root = path.parents[kernel.__module__.count(".")]
        # numba chooses a kernel's place in the cache when it is decorated.
        _CONFIG.CACHE_DIR = str(Path(given or path.parent / "__pycache__") / f"kernels-{sources(path, root)}")
        try:
            return cast("Kernel", numba.njit(cache=True, nogil=True, inline=inline)(kernel))
        finally:
            _CONFIG.CACHE_DIR = given

    return compiled


@cache
def sources(path: Path, root: Path) -> str:
    """Return 16 hex digits of a module and all that it imports from below the root, by name and content."""
    found: dict[Path, bytes] = {}
    waiting = [path]
    while waiting:
        module = waiting.pop()
        if module not in found and module.is_file():
            found[module] = module.read_bytes()
            names = _IMPORTED.findall(found[module].decode())
            waiting += [root.joinpath(*name.split(".")).with_suffix(".py") for name in names]
    digest = hashlib.sha256()
    for module in sorted(found):
        digest.update(str(module.relative_to(root)).encode() + b"\0" + found[module] + b"\0")
    return digest.hexdigest()[:16]
