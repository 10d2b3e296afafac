"""docs/specs/map.md is right: each map on it makes of the file below it what the page says."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from files.column_map import map_of
from files.source import Source
from history.message_fields import OUTCOME, PAYMENT
from stream.decode import decode_outcomes

PAGE = (Path(__file__).parents[2] / "docs/specs/map.md").read_text()
BLOCK = re.compile(r"^```([a-z]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ENDINGS = {"csv": ".csv", "json": ".json"}


class Example(NamedTuple):
    map_text: str
    file: str
    ending: str
    kind: str
    made: list[dict[str, Any]]


def examples() -> list[Example]:
    blocks = BLOCK.findall(PAGE)
    assert [kind for kind, _ in blocks[::3]] == ["toml"] * (len(blocks) // 3), "map, file, result; and again"
    return [
        Example(map_text, file, ENDINGS[format_], kind, [json.loads(line) for line in made.splitlines()])
        for (_, map_text), (format_, file), (kind, made) in zip(blocks[::3], blocks[1::3], blocks[2::3], strict=True)
    ]


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.map_text.splitlines()[0])
def test_a_map_makes_of_the_file_what_the_page_says(tmp_path: Path, example: Example) -> None:
    columns = map_of(tomllib.loads(example.map_text), "map.toml", PAYMENT, OUTCOME)
    path = tmp_path / f"file{example.ending}"
    path.write_text(example.file, encoding=columns.encoding or "utf-8")
    fields = {"payments": PAYMENT, "outcomes": OUTCOME}[example.kind]
    refused: list[object] = []
    values = [message.value for message in Source(path, fields, columns).messages(refused.append)]
    made = [json.loads(value) for value in values]
    hashed = [row["transaction_id"] for row in made] if "hash_of" in example.map_text else []
    for row, expected in zip(made, example.made, strict=True):
        if hashed:
            row["transaction_id"] = expected["transaction_id"]
    assert made == example.made
    assert refused == []
    assert len(set(hashed)) <= 1, "the same content, the same id"
    if fields is OUTCOME:
        assert not decode_outcomes(values).rejections


def test_every_key_that_a_map_may_have_is_on_the_page() -> None:
    from files.column_map import _WHOLE
    from files.rules.reading import _MAY, FORMS

    keys = {key for form in FORMS for key in form | _MAY.get(form, frozenset())} | set(_WHOLE)
    assert not {key for key in keys if f"`{key}`" not in PAGE and f"`{key} =" not in PAGE and f"{key} = " not in PAGE}


def test_the_message_on_the_page_is_the_one_that_is_said(tmp_path: Path) -> None:
    columns = map_of({"amount_paise": {"column": "Amount", "unit": "rupees"}}, "m", PAYMENT)
    path = tmp_path / "a.csv"
    path.write_text('transaction_id,event_time,payer_vpa,payee_vpa,Amount\nx,1,a@b,c@d,"1.234,50"\n')
    refused: list[Any] = []
    assert list(Source(path, PAYMENT, columns).messages(refused.append)) == []
    assert refused[0].detail in PAGE
