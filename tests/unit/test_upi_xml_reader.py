"""Whatever a file of XML holds: every message is found or refused, and nothing is done that a document asks for."""

from __future__ import annotations

import io
import tracemalloc

import pytest

from upifraud.upi_xml.element import Message, Passed, Refused
from upifraud.upi_xml.pieces import CHUNK
from upifraud.upi_xml.reader import DEEPEST, LARGEST, read

NS = 'xmlns:upi="http://npci.org/upi/schema/"'


def message(name: str = "A", inside: str = "") -> str:
    return f'<upi:ReqPay {NS}><Txn id="{name}"/>{inside}</upi:ReqPay>'


def found(text: str | bytes) -> list[str]:
    """The messages by id, the refusals by reason, the others by name."""
    told = []
    for one in read(io.BytesIO(text.encode() if isinstance(text, str) else text)):
        match one:
            case Message(_, root):
                told.append(root.first("Txn").attributes["id"])
            case Refused(_, reason, _):
                told.append(reason)
            case Passed(_, name):
                told.append(f"({name})")
    return told


def lines(text: str) -> list[int]:
    return [one.line for one in read(io.BytesIO(text.encode()))]


DECLARED = '<?xml version="1.0" encoding="UTF-8"?>\n'


@pytest.mark.parametrize(
    "text",
    [
        message("A") + message("B"),
        DECLARED + message("A") + "\n" + DECLARED + message("B"),
        message("A") + "\n\n<!-- between -->\n" + message("B") + "\n",
        f"<all><day>{message('A')}</day>\n{message('B')}</all>",
        "\ufeff" + message("A") + "\r\n" + message("B"),
        message("A").replace("upi:", "").replace("xmlns:upi", "xmlns") + message("B").replace("upi", "x-1.y"),
    ],
    ids=["joined", "declared", "comment", "wrapped", "byte order mark", "prefixes"],
)
def test_several_messages_are_found_however_they_stand_in_a_file(text):
    assert found(text) == ["A", "B"]


@pytest.mark.parametrize("padding", range(0, 130, 7))
def test_a_message_may_stand_across_the_pieces_in_which_a_file_is_read(padding):
    text = " " * (CHUNK - padding) + message("A") + " " * (CHUNK - padding) + message("B")
    assert found(text) == ["A", "B"]


def test_lines_are_those_of_the_file():
    assert lines("\n\n" + message("A") + "\n" + message("B") + "\n\n<x>\n" + message("C") + "</x>") == [3, 4, 7]
    assert lines(message("A") + "\n\n<upi:ReqPay>\n<Txn>\n</upi:ReqPay>\n" + message("B")) == [1, 3, 6]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "windows-1252", "us-ascii"])
def test_encodings_that_a_document_declares_are_read(encoding):
    note = "caf\N{LATIN SMALL LETTER E WITH ACUTE}" if encoding != "us-ascii" else "cafe"
    declared = encoding.removesuffix("-le").removesuffix("-be")
    text = f'<?xml version="1.0" encoding="{declared}"?>' + message(note)
    assert found(text.encode(encoding)) == [note]


@pytest.mark.parametrize("encoding", ["utf-7", "shift_jis", "cp037", "zlib", "no-such"])
def test_other_encodings_are_refused(encoding):
    assert found(f'<?xml version="1.0" encoding="{encoding}"?>{message("A")}')[0] == "bad-encoding"


def test_half_a_character_of_utf_16_is_refused():
    assert found(message("A").encode("utf-16") + b"\x00")[-1] == "bad-encoding"


LAUGHS = "<!DOCTYPE lolz [<!ENTITY a0 'ha'>" + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 20}'>" for n in range(1, 12))
DTDS = {
    "billion laughs": LAUGHS + f"]>{message('A', '<x>&a11;</x>')}",
    "quadratic": f"<!DOCTYPE x [<!ENTITY a '{'x' * 30_000}'>]>" + message("A", "<x>" + "&a;" * 3000 + "</x>"),
    "in an attribute": f"<!DOCTYPE x [<!ENTITY a 'x'>]><upi:ReqPay {NS} y='&a;'></upi:ReqPay>",
    "a file": f"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>{message('A', '<x>&a;</x>')}",
    "an address": f"<!DOCTYPE x SYSTEM 'http://127.0.0.1:9/x.dtd'>{message('A')}",
    "a parameter entity": f"<!DOCTYPE x [<!ENTITY % p SYSTEM 'http://127.0.0.1:9/p'> %p;]>{message('A')}",
    "a message in it": f"<!DOCTYPE x [<!-- -->]>{message('A')}",
}


@pytest.mark.parametrize("kind", DTDS)
def test_a_document_type_is_refused_with_its_message_and_the_next_is_read(kind):
    tracemalloc.start()
    try:
        assert found(DECLARED + DTDS[kind] + "\n" + DECLARED + message("B")) == ["dtd", "B"]
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_an_entity_without_a_document_type_is_refused():
    assert found(message("A", "<x>&xxe;</x>") + message("B")) == ["not-xml", "B"]
    assert found(message("A", "<x>&lt;&#65;</x>")) == ["A"]


@pytest.mark.parametrize(
    "inside",
    [
        "<Payer addr='" + "x" * 10 * LARGEST + "'/>",
        "<Data>" + "x" * 10 * LARGEST + "</Data>",
        "<Payee/>" * LARGEST,
        "<!-- " + "x" * 10 * LARGEST + " -->",
        f"<{'n' * 10 * LARGEST}/>",
    ],
    ids=["attribute", "text", "elements", "comment", "name"],
)
def test_a_message_beyond_the_limit_is_refused_with_little_memory_and_the_next_is_read(inside):
    text = (message("A", inside) + message("B")).encode()
    tracemalloc.start()
    try:
        assert found(text) == ["too-large", "B"]
        assert tracemalloc.get_traced_memory()[1] < 6_000_000 + len(text)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("before", ["<!-- {} -->", "<all a='{}'>", "<?x {}?>", "<upi:ReqPay a='{}'/>"])
def test_nothing_beyond_the_limit_is_held_outside_of_messages(before):
    text = (before.format("x" * 20 * LARGEST) + "\n" + message("B")).encode()
    tracemalloc.start()
    try:
        assert found(text)[:2] == ["too-large", "B"]
        assert tracemalloc.get_traced_memory()[1] < len(text) + 20 * CHUNK
    finally:
        tracemalloc.stop()


def test_a_message_of_just_the_limit_is_read():
    rest = len(message("A", "<D></D>")) - len("</upi:ReqPay>")
    assert found(message("A", f"<D>{'x' * (LARGEST - rest)}</D>")) == ["A"]
    assert found(message("A", f"<D>{'x' * (LARGEST - rest + 1)}</D>")) == ["too-large"]


def test_deep_nesting_is_refused():
    deep = DEEPEST - 1
    assert found(message("A", "<x>" * deep + "</x>" * deep)) == ["A"]
    assert found(message("A", "<x>" * (deep + 1) + "</x>" * (deep + 1)) + message("B")) == ["too-deep", "B"]
    assert found("<x>" * 100_000) == ["too-deep"]


@pytest.mark.parametrize(
    "broken",
    [
        "<upi:ReqPay><Txn></upi:ReqPay>",
        "<upi:ReqPay><Txn id='1'",
        "<upi:ReqPay a='1' a='2'/>",
        "<upi:ReqPay><a b=<c/></upi:ReqPay>",
        "<upi:ReqPay>&#0;</upi:ReqPay>",
        "\x00\x01\xff",
    ],
)
def test_what_is_no_xml_is_refused_and_its_neighbours_are_read(broken):
    assert found(message("A") + "\n" + broken + "\n" + message("B")) == ["A", "not-xml", "B"]
    assert found(f"<all><day>{message('A')}{broken}{message('B')}</day></all>") == ["A", "not-xml", "B"]


@pytest.mark.parametrize("words", ["some words", "{}", "2026-01-25 10:30:00 sent"])
def test_words_between_documents_are_refused_and_inside_an_element_they_are_no_matter(words):
    assert found(message("A") + words + message("B")) == ["A", "not-xml", "B"]
    assert found(f"<all>{message('A')}{words}{message('B')}</all>") == ["A", "B"]


def test_a_message_that_was_cut_short_does_not_take_the_next_with_it():
    assert found(message("A")[:40] + message("B")) == ["not-xml", "B"]
    assert found(message("A", "<Payer>")[:-13] + message("B")) == ["not-xml", "B"]
    assert found(message("A")[:50] + DECLARED + message("B")) == ["not-xml", "B"]
    assert found(message("A") + message("B")[:-3]) == ["A", "not-xml"]


def test_what_only_looks_like_a_message_is_none():
    assert found(f"<!-- {message('A')} -->" + message("B")) == ["B"]
    assert found(f"<x><![CDATA[{message('A')}]]></x>" + message("B")) == ["(x)", "B"]


def test_documents_of_other_kinds_are_told():
    assert found(f"<upi:ReqHbt {NS}/>" + message("A") + "<other/>") == ["(ReqHbt)", "A", "(other)"]
    assert found(f"<all><upi:RespHbt {NS}/>{message('A')}</all>") == ["(RespHbt)", "A"]


def test_an_empty_file_holds_nothing():
    assert found("") == found(" \n\t") == []
