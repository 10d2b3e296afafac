"""Kernels compiled once and kept until a source that they are made of changes; none fails for want of a directory.

numba looks at a kernel's own file only when it decides whether what it kept still holds, while constants and inlined
functions of other modules are compiled in: after a new line in windows.py it would go on with kernels of the old
windows. Here the directory carries a digest of the kernel's module and of all modules that it builds on.

numba also refuses to go on where it cannot write. Here what is kept is read wherever it can be read, and what is
compiled anew is kept in the first directory that can be written; where there is none it lives in memory.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import stat
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar, cast

import numba
import numpy as np
from numba.core.caching import FunctionCache, InTreeCacheLocator
from numba.core.registry import CPUDispatcher
from numba.misc.appdirs import AppDirs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Kernel = TypeVar("Kernel", bound="Callable[..., Any]")
_CONFIG: Final[Any] = numba.config

_IMPORTED: Final = re.compile(r"^from (\w+(?:\.\w+)+) import", re.MULTILINE)
"""An import that is there at run time: those for types only are indented."""

log = logging.getLogger(__name__)


def row_dtype(fields: Sequence[tuple[Any, ...]], *, packed: bool = False) -> np.dtype[np.record]:
    """Return the type of rows whose fields are attributes, for kernels that are run uncompiled, too.

    packed: without room between the fields, as bytes that leave the process are laid out.
    """
    rows = np.dtype([*fields], align=not packed)
    dtype: np.dtype[np.record] = np.dtype((np.record, rows))  # type: ignore[assignment]
    return dtype


def njit(*, inline: Literal["never", "always"] = "never", inner: bool = False) -> Callable[[Kernel], Kernel]:
    """Compile a function without Python objects or the interpreter's lock; used like `numba.njit`.

    inner: only kernels call it, and it allocates no array. A quarter of the time that numba takes for such a kernel
    goes into being called from Python and into counting references, so both are left out. Python gets a TypeError.
    """

    def compiled(kernel: Kernel) -> Kernel:
        options: Any = {"no_cpython_wrapper": inner, "no_cfunc_wrapper": True, "_nrt": not inner}
        dispatcher: Any = numba.njit(nogil=True, inline=inline, **options)(kernel)  # noqa: TID251 - the one place
        if dispatcher is not kernel:  # numba was told to compile nothing
            path = Path(kernel.__code__.co_filename)
            root = path.parents[kernel.__module__.count(".")]
            kept = directories(path.parent, f"kernels-{sources(path, root)}")
            dispatcher._cache = _Kept(kernel, kept)  # noqa: SLF001 - as numba's own `enable_caching` does
            if inner:
                dispatcher.__class__ = _Inner
        return cast("Kernel", dispatcher)

    return compiled


class _Inner(CPUDispatcher):
    """A kernel that Python cannot call: numba would jump to where nothing is."""

    def __call__(self, *_args: object) -> None:
        raise TypeError(
            f"{self.py_func.__name__} is called from Python, but only kernels may call it. "
            "Declare it with `@njit()`, not with `@njit(inner=True)`."
        )


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


# Directories ----------------------------------------------------------------------------------------------------------


class Directories(NamedTuple):
    """Where the kernels of one folder are looked for, and where new ones go."""

    read: tuple[Path, ...]
    """Holds kernels, and nothing can be written there."""
    write: Path | None
    """None: new kernels live in memory, and the next start compiles them again."""


@cache
def directories(folder: Path, name: str) -> Directories:
    """Return where kernels of the modules of a folder are kept, each in a directory of this name.

    Looked at in order: NUMBA_CACHE_DIR, beside the modules, the user's cache, a directory for this user alone below the
    one for temporary files. Kernels are loaded as code, so the last two must be out of everybody else's reach.
    """
    read: list[Path] = []
    for candidate in candidates(folder):
        directory = candidate.directory / name
        if _is_writable(candidate.directory, name, private=candidate.private):
            return Directories(tuple(read), directory)
        if (not candidate.private or _is_out_of_reach(candidate.directory)) and _holds_kernels(directory):
            read.append(directory)
    return Directories(tuple(read), None)


def where() -> Directories:
    """Return where the kernels of this package are kept, by those of its largest module."""
    path = Path(__file__).parent / "measure" / "vector.py"
    return directories(path.parent, f"kernels-{sources(path, path.parents[2])}")


class Candidate(NamedTuple):
    """A directory for kernels."""

    directory: Path
    private: bool
    """Whether somebody else could have put something there."""


def candidates(folder: Path) -> list[Candidate]:
    """Return the directories where kernels of a folder's modules may be kept, best first."""
    found = [Candidate(folder / "__pycache__", private=False)]
    if _CONFIG.CACHE_DIR:
        found.insert(0, Candidate(Path(_CONFIG.CACHE_DIR), private=False))
    user = Path(AppDirs(appname="numba", appauthor=False).user_cache_dir)
    if user.is_absolute():  # a user without a home has none
        found.append(Candidate(user, private=True))
    try:
        temporary = tempfile.gettempdir()
    except FileNotFoundError:
        return found
    return [*found, Candidate(Path(temporary, f"upifraud-kernels-{os.geteuid()}"), private=True)]


def _is_writable(directory: Path, name: str, *, private: bool) -> bool:
    try:
        if private:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_out_of_reach(directory):
                return False
        (directory / name).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory / name).close()
    except OSError:
        return False
    return True


def _is_out_of_reach(directory: Path) -> bool:
    """Tell whether nobody but us and root can write to a directory, or put another in its place."""
    try:
        real = directory.resolve(strict=True)
        if real.stat().st_uid != os.geteuid() or not _only_owner_writes(real):
            return False
        return all(
            above.stat().st_uid in (0, os.geteuid())
            and (_only_owner_writes(above) or above.stat().st_mode & stat.S_ISVTX)
            for above in real.parents
        )
    except OSError:
        return False


def _only_owner_writes(directory: Path) -> bool:
    return not directory.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _holds_kernels(directory: Path) -> bool:
    try:
        return any(directory.glob("*/*.nbi"))
    except OSError:
        return False


# What numba keeps -------------------------------------------------------------------------------------------------


class KernelDirectory(InTreeCacheLocator):
    """Tells numba the directory that was chosen; numba's own locators give up where they cannot write."""

    def __init__(self, kernel: Callable[..., Any], source: str) -> None:
        super().__init__(kernel, source)
        self._cache_path = str(Path(_CONFIG.CACHE_DIR) / self.get_suitable_cache_subpath(source))

    @classmethod
    def from_function(cls, kernel: Callable[..., Any], source: str) -> KernelDirectory | None:
        """Return the directory of a kernel's file; None for a function that is in no file."""
        return cls(kernel, source) if Path(source).exists() else None


def _kept_in(directory: Path, kernel: Callable[..., Any]) -> Any:
    """Return numba's cache of a kernel in a directory; numba takes it from its configuration."""
    given, locators = _CONFIG.CACHE_DIR, _CONFIG.CACHE_LOCATOR_CLASSES
    _CONFIG.CACHE_DIR = str(directory)
    _CONFIG.CACHE_LOCATOR_CLASSES = locators or f"{__name__}.{KernelDirectory.__name__}"
    try:
        return FunctionCache(kernel)
    finally:
        _CONFIG.CACHE_DIR, _CONFIG.CACHE_LOCATOR_CLASSES = given, locators


class _Kept:
    """A kernel's compiled forms, loaded from any directory that has them; numba calls it as it calls its own cache."""

    def __init__(self, kernel: Callable[..., Any], kept: Directories) -> None:
        self._name = kernel.__qualname__
        self._write = None if kept.write is None else _kept_in(kept.write, kernel)
        self._all: Sequence[Any] = [_kept_in(directory, kernel) for directory in kept.read]
        if self._write is not None:
            self._all = [*self._all, self._write]

    @property
    def cache_path(self) -> str | None:
        """Where new kernels go."""
        return None if self._write is None else str(self._write.cache_path)

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Return what was compiled for a signature and this processor; None if it is nowhere."""
        for one in self._all:
            try:
                found = one.load_overload(signature, target)
            except OSError:
                continue  # closed to us since we looked
            if found is not None:
                return found
        return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep what was compiled if there is a directory for it; a full disk does not end a worker."""
        if self._write is None:
            _warn_once("there is no directory that can be written to")
            return
        try:
            self._write.save_overload(signature, compiled)
        except OSError as error:
            _warn_once(f"{self._write.cache_path}: {os.strerror(error.errno or 0)}")

    def enable(self) -> None:
        """Heed what is kept, again."""
        for one in self._all:
            one.enable()

    def disable(self) -> None:
        """Heed nothing that is kept."""
        for one in self._all:
            one.disable()

    def flush(self) -> None:
        """Forget what is kept in the directory that can be written."""
        if self._write is not None:
            self._write.flush()


@cache
def _warn_once(why: str) -> None:
    log.warning(
        "Kernels were compiled anew and cannot be kept, so every start takes half a minute longer: %s. Set "
        "NUMBA_CACHE_DIR to a directory that this user can write to.",
        why,
    )
