"""Working ahead: the next items are made in another thread while the last ones are being used."""

from __future__ import annotations

from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")


class Ahead(Generic[T]):
    """Yields what an iterable yields, with up to `depth` items made in advance; its errors are raised here.

    Use it as a context: at the end the thread stops, however many items are left.
    """

    def __init__(self, items: Iterable[T], depth: int = 4) -> None:
        self._items = items
        self._queue: Queue[tuple[T] | BaseException | None] = Queue(depth)
        self._stopped = Event()
        self._thread = Thread(target=self._work, name="ahead", daemon=True)

    def __enter__(self) -> Iterator[T]:
        """Begin to work, and return what comes of it."""
        self._thread.start()
        return self._made()

    def __exit__(self, *_error: object) -> None:
        """Stop working and wait for the thread to end."""
        self._stopped.set()
        while self._thread.is_alive():
            try:
                self._queue.get_nowait()
            except Empty:
                self._thread.join(0.01)

    def _made(self) -> Iterator[T]:
        while (item := self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item[0]

    def _work(self) -> None:
        try:
            for item in self._items:
                if not self._put((item,)):
                    return
            self._put(None)
        except BaseException as error:  # noqa: BLE001  # raised again in the thread that uses the items
            self._put(error)

    def _put(self, item: tuple[T] | BaseException | None) -> bool:
        """Wait for room; False if nobody wants more."""
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.1)
            except Full:
                continue
            return True
        return False
