"""Files whose bytes depend on their content alone: no clock, no memory addresses, no order of a hash table."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first time a zip file can write; `np.savez` and skops write the clock."""

_ID = re.compile(r'"__id__": (\d+)')


def zip_bytes(members: Mapping[str, bytes]) -> bytes:
    """Return a zip file of the members in the order given, uncompressed."""
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", compression=ZIP_STORED) as archive:
        for name, content in members.items():
            member = ZipInfo(name, date_time=EPOCH)
            member.create_system = 3  # what wrote it is no part of the content
            member.external_attr = 0o644 << 16
            archive.writestr(member, content)
    return buffer.getvalue()


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return arrays as `np.load(..., allow_pickle=False)` reads them."""
    members = {}
    for name in sorted(arrays):
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.asanyarray(arrays[name]), allow_pickle=False)
        members[f"{name}.npy"] = buffer.getvalue()
    return zip_bytes(members)


def skops_bytes(estimator: Any) -> bytes:
    """Return an estimator as `skops.io.load` reads it, with objects numbered in order instead of by address."""
    import skops.io

    with ZipFile(io.BytesIO(skops.io.dumps(estimator))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = members.pop("schema.json").decode()
    number: dict[str, str] = {}
    for address in _ID.findall(schema):
        number.setdefault(address, str(len(number) + 1))
    schema = _ID.sub(lambda match: f'"__id__": {number[match[1]]}', schema)
    renamed: dict[str, bytes] = {}
    for name, content in members.items():
        stem, dot, suffix = name.partition(".")
        new = f"{number[stem]}{dot}{suffix}" if stem in number else name
        schema = schema.replace(json.dumps(name), json.dumps(new))
        renamed[new] = content
    ordered = {name: renamed[name] for name in sorted(renamed)}
    return zip_bytes({**ordered, "schema.json": schema.encode()})
