"""The bytes of a file in small pieces: what may be needed again is held, and the next beginning is found."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import IO

CHUNK: Final = 16 * 1024
BEGINNING: Final = re.compile(rb"<\?xml\s|<(?:[\w.-]{1,64}:)?(?:ReqPay|RespPay)[\s/>]")
LONGEST_BEGINNING: Final = 80
DECLARATION: Final = b"<?xml"


class Pieces:
    """The bytes of a file, of which what may be needed again is held."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._held = b""
        self._start = 0
        self._handed = 0
        self.line = 1
        self.open_wrappers = 0
        """Elements around messages whose end tags are still to come, after a message that could not be read."""
        self._decoder: codecs.IncrementalDecoder | None = None
        self.encoding: str | None = None
        self._look()

    def next(self) -> bytes:
        """Return the next bytes of this document; none at the end of the file."""
        if self._handed >= len(self._held):
            self._held += self._read()
        piece = self._held[self._handed : self._handed + CHUNK]
        self._handed += len(piece)
        return piece

    def forget(self, place: int) -> None:
        """Hold nothing before a place, in bytes from the document's beginning."""
        gone = max(0, min(place - self._start, self._handed))
        self._drop(gone)
        self._start += gone

    def go_to(self, place: int) -> None:
        """Let the next document begin at a place of this one."""
        self._drop(max(0, place - self._start))
        self._start = self._handed = 0

    def end(self) -> None:
        """Let the next document begin after all that was handed out."""
        self._drop(self._handed)
        self._start = self._handed = 0

    def skip_space(self) -> bool:
        """Go to what is not white space; False at the end of the file."""
        while True:
            rest = self._held.lstrip(b" \t\r\n")
            self._drop(len(self._held) - len(rest))
            self._start = self._handed = 0
            if rest:
                return True
            self._held = self._read()
            if not self._held:
                return False

    def skip_last_tag(self) -> None:
        """Go past a document's end tag; expat is past one that is a document's only tag."""
        if self._held.startswith(b"</"):
            self.go_to(self._held.index(b">") + 1)

    def skip_end_tag(self) -> bool:
        """Go past the end tag of an element around messages that is still open; False if there is none."""
        end = self._held.find(b">", 0, LONGEST_BEGINNING)
        if not self._held.startswith(b"</") or end < 0:
            return False
        self.open_wrappers -= 1
        self.go_to(end + 1)
        return True

    def go_on(self, *, again: bool, past_message: bool = False) -> None:
        """Go to the next beginning: after this place, or at it; or to the next document, past a message with a DTD."""
        at = 0 if again else 1
        while True:
            for found in BEGINNING.finditer(self._held, at):
                if past_message and not found[0].startswith(DECLARATION):
                    past_message = False
                    at = found.end()
                    continue
                self.go_to(found.start())
                return
            more = self._read()
            if not more:
                self.go_to(len(self._held))
                return
            kept = max(min(at, len(self._held)), len(self._held) - LONGEST_BEGINNING)
            self.go_to(kept)
            at = 0
            self._held += more

    def _drop(self, count: int) -> None:
        self.line += self._held.count(b"\n", 0, count)
        self._held = self._held[count:]
        self._handed = max(0, self._handed - count)

    def _look(self) -> None:
        """Read UTF-16 as UTF-8: beginnings are searched for in bytes."""
        head = self._stream.read(CHUNK)
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            self._decoder = codecs.getincrementaldecoder("utf-16")("strict")
            self.encoding = "utf-8"
        elif head[:4] in (b"<\0?\0", b"\0<\0?"):
            little = head.startswith(b"<")
            self._decoder = codecs.getincrementaldecoder("utf-16-le" if little else "utf-16-be")("strict")
            self.encoding = "utf-8"
        self._held = self._decoded(head) if self._decoder else head.removeprefix(codecs.BOM_UTF8)

    def _read(self) -> bytes:
        return self._decoded(self._stream.read(CHUNK))

    def _decoded(self, piece: bytes) -> bytes:
        if self._decoder is None:
            return piece
        while not (text := self._decoder.decode(piece, final=not piece)) and piece:
            piece = self._stream.read(CHUNK)
        return text.encode()
