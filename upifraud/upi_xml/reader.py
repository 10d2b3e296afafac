"""Reads the messages of a file one by one, and never does what an XML document may ask of a parser.

A file holds one message, or several: one after the other, with or without an XML declaration each, or inside elements
of another name. After a message that is no XML the reader goes on at the next beginning.

Defused: a DTD is refused where it begins, so there are no entities and nothing is fetched. A message is at most 64 KiB
and 32 elements deep, and no more than that is held of one. This is expat with handlers that refuse: defusedxml does the
same to the same parser, and had its last release in 2021.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NoReturn
from xml.parsers.expat import ErrorString, ExpatError, ParserCreate
from xml.parsers.expat import errors as expat_errors

from upifraud.upi_xml.element import Element, Message, Passed, Refused
from upifraud.upi_xml.pieces import Pieces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

LARGEST: Final = 64 * 1024
"""Bytes of one message, and of one token outside of messages."""

DEEPEST: Final = 32
NAMES: Final = ("ReqPay", "RespPay")
OTHERS: Final = re.compile(r"(?:Req|Resp)[A-Z][A-Za-z]{1,40}")
"""UPI's messages of other kinds."""

ENCODINGS: Final = ("utf-8", "us-ascii", "ascii", "iso-8859-1", "windows-1252", "utf-16")

NO_TOKEN: Final = expat_errors.codes[expat_errors.XML_ERROR_INVALID_TOKEN]
NO_ELEMENT: Final = expat_errors.codes[expat_errors.XML_ERROR_NO_ELEMENTS]
DECLARATION_INSIDE: Final = expat_errors.codes[expat_errors.XML_ERROR_MISPLACED_XML_PI]
"""A declaration stands in the middle: the next document begins there."""

NOT_XML, DTD, TOO_LARGE, TOO_DEEP, BAD_ENCODING = "not-xml", "dtd", "too-large", "too-deep", "bad-encoding"


class _StopError(Exception):
    """The document cannot be read on: what is wrong, and where the reader goes on."""

    def __init__(self, refused: Refused | None, at: int, *, again: bool = False) -> None:
        super().__init__()
        self.refused = refused
        """None where nothing was there to be refused."""
        self.at = at
        """Bytes from the document's beginning."""
        self.again = again
        """Whether what stands at that place may be a beginning itself."""


def read(stream: IO[bytes]) -> Iterator[Message | Passed | Refused]:
    """Yield what a file holds, in order; it is read in pieces of 16 KiB."""
    pieces = Pieces(stream)
    try:
        while pieces.skip_space():
            yield from _document(pieces)
    except UnicodeError:
        yield Refused(pieces.line, BAD_ENCODING, "expected UTF-16, as its first bytes say; the rest was not read")


def _document(pieces: Pieces) -> Iterator[Message | Passed | Refused]:
    """Yield what one document holds, and leave the pieces where the next one may begin."""
    if pieces.open_wrappers and pieces.skip_end_tag():
        return
    document = _Document(pieces.line, pieces.encoding)
    while True:
        piece, stop = pieces.next(), None
        try:
            document.parse(piece, last=not piece)
        except _StopError as stopped:
            stop = stopped
        yield from document.taken()
        if document.end >= 0:
            pieces.go_to(document.end)
            pieces.skip_last_tag()
            return
        if stop is not None:
            if stop.refused is not None:
                yield stop.refused
            pieces.open_wrappers += document.wrappers
            pieces.go_to(stop.at)
            has_dtd = stop.refused is not None and stop.refused.reason == DTD
            pieces.go_on(again=stop.again and stop.at > 0, past_message=has_dtd)
            return
        if not piece:
            pieces.end()
            return
        pieces.forget(document.place)


class _Document:
    """One document on its way through expat."""

    def __init__(self, line: int, encoding: str | None) -> None:
        self._expat = expat = ParserCreate(encoding)
        expat.XmlDeclHandler = self._declared
        expat.StartDoctypeDeclHandler = self._doctype
        expat.EntityDeclHandler = self._doctype
        expat.StartElementHandler = self._started
        expat.EndElementHandler = self._finished
        # Pieces are small, so a token is looked at again a few times at most: it need not wait for more of them.
        if hasattr(expat, "SetReparseDeferralEnabled"):
            expat.SetReparseDeferralEnabled(False)  # noqa: FBT003 - it takes no name
        self._line = line
        self._fed = 0
        self._depth = 0
        self._began = 0
        self._open: list[Element] = []
        self._found: list[Message | Passed] = []
        self._is_told = False
        self._message_line = 0
        self._root = (0, "")
        self._has_begun = False
        self.end = -1
        """Where its last tag begins, once that was seen."""
        self.place = 0

    @property
    def wrappers(self) -> int:
        """How many elements around messages are open."""
        return self._depth - len(self._open)

    def parse(self, piece: bytes, *, last: bool) -> None:
        """Read on; raises _StopError where the document ends or cannot be read."""
        self._fed += len(piece)
        try:
            self._expat.Parse(piece, last)
        except ExpatError as error:
            raise self._broken(error) from None
        except (LookupError, ValueError):
            self._refuse(BAD_ENCODING, f"expected one of {', '.join(ENCODINGS)}")
        self.place = max(self.place, self._expat.CurrentByteIndex)
        if self._open:
            self._check_size(self._fed)
        if self._fed - self.place > LARGEST:
            self._refuse(TOO_LARGE, f"expected at most {LARGEST} bytes between < and >")

    def _broken(self, error: ExpatError) -> _StopError:
        at, line = self._expat.ErrorByteIndex, self._line + error.lineno - 1
        if not self._has_begun and error.code in (NO_ELEMENT, DECLARATION_INSIDE):
            return _StopError(None, at, again=True)  # comments alone
        # Of a token that is no token, expat names the place inside; of others that it does not want, their beginning.
        again = error.code in (NO_TOKEN, DECLARATION_INSIDE) or (bool(self._open) and at > self._began)
        detail = f"expected XML that is well formed, got: {ErrorString(error.code)}, line {line}"
        return _StopError(Refused(self._message_line if self._open else line, NOT_XML, detail), at, again=again)

    def taken(self) -> list[Message | Passed]:
        """Return what was found since the last time."""
        found, self._found = self._found, []
        return found

    def _declared(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ENCODINGS:
            self._refuse(BAD_ENCODING, f"expected one of {', '.join(ENCODINGS)}")

    def _doctype(self, *_: Any) -> None:
        self._refuse(DTD, "expected a message without a document type; none is ever read")

    def _started(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        is_message = local in NAMES
        if self._depth >= DEEPEST:
            self._refuse(TOO_DEEP, f"expected elements at most {DEEPEST} deep")
        if not self._depth:
            self._has_begun, self._root = True, (self._here, local)
        if self._open:
            self._check_size(self._expat.CurrentByteIndex)
            if is_message:
                self._refuse(NOT_XML, "expected the end of the message before the next one", again=True)
            element = Element(local, attributes)
            self._open[-1].children.append(element)
            self._open.append(element)
        elif is_message:
            self._began, self._message_line = self._expat.CurrentByteIndex, self._here
            self._open.append(Element(local, attributes))
        elif OTHERS.fullmatch(local):
            self._is_told = True
            self._found.append(Passed(self._here, local))
        self._depth += 1

    def _finished(self, _name: str) -> None:
        self._depth -= 1
        if self._open:
            self._check_size(self._expat.CurrentByteIndex)
            element = self._open.pop()
            if not self._open:
                self._is_told = True
                self._found.append(Message(self._message_line, element))
        if not self._depth:
            self.end = self._expat.CurrentByteIndex
            if not self._is_told:
                self._found.append(Passed(*self._root))

    @property
    def _here(self) -> int:
        return int(self._line + self._expat.CurrentLineNumber - 1)

    def _check_size(self, place: int) -> None:
        if place - self._began > LARGEST:
            self._refuse(TOO_LARGE, f"expected a message of at most {LARGEST} bytes")

    def _refuse(self, reason: str, detail: str, *, again: bool = False) -> NoReturn:
        line = self._message_line if self._open else self._here
        raise _StopError(Refused(line, reason, detail), self._expat.CurrentByteIndex, again=again)
