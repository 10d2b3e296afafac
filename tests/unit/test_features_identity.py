"""Identities: SipHash-2-4 as published, and never the hash that means unknown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.identity import Identities, siphash

# The reference implementation's vectors_sip64: key 00 01 .. 0f, input 00 01 .. of growing length.
PUBLISHED = {
    0: "310e0edd47db6f72",
    1: "fd67dc93c539f874",
    2: "5a4fa9d909806c0d",
    3: "2d7efbd796666785",
    4: "b7877127e09427cf",
    5: "8da699cd64557618",
    6: "cee3fe586e46c9cb",
    7: "37d1018bf50002ab",
    8: "6224939a79f5f593",
    15: "e545be4961ca29a1",  # also worked through in the paper, appendix A
}
KEY = bytes(range(16))


def sip_round(v: list[int]) -> None:
    def rotate(x: int, bits: int) -> int:
        return (x << bits | x >> 64 - bits) % 2**64

    v[0] = (v[0] + v[1]) % 2**64
    v[2] = (v[2] + v[3]) % 2**64
    v[1] = rotate(v[1], 13) ^ v[0]
    v[3] = rotate(v[3], 16) ^ v[2]
    v[0] = rotate(v[0], 32)
    v[2] = (v[2] + v[1]) % 2**64
    v[0] = (v[0] + v[3]) % 2**64
    v[1] = rotate(v[1], 17) ^ v[2]
    v[3] = rotate(v[3], 21) ^ v[0]
    v[2] = rotate(v[2], 32)


def reference(value: bytes, key: bytes) -> int:
    """SipHash-2-4 as the paper's figure 2.1 draws it."""
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    padded = value + bytes(-(len(value) + 1) % 8) + bytes([len(value) % 256])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v[3] ^= word
        sip_round(v)
        sip_round(v)
        v[0] ^= word
    v[2] ^= 0xFF
    for _ in range(4):
        sip_round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


@pytest.mark.parametrize("length", PUBLISHED)
def test_the_published_vectors(length: int) -> None:
    value = bytes(range(length))
    expected = int.from_bytes(bytes.fromhex(PUBLISHED[length]), "little")
    assert reference(value, KEY) == expected
    k0, k1 = (np.uint64(int.from_bytes(half, "little")) for half in (KEY[:8], KEY[8:]))
    assert siphash(np.frombuffer(value, dtype=np.uint8), 0, length, k0, k1) == expected


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=20), st.binary(min_size=16, max_size=16))
def test_every_value_is_hashed_apart(values: list[bytes], key: bytes) -> None:
    identities = Identities(key)
    inverted = bytes(255 - byte for byte in key)
    expected = [reference(value, key) or 1 if value else 0 for value in values]
    assert identities.hash(values).tolist() == expected
    wide = identities.hash128(values)
    assert wide.shape == (len(values), 2)
    assert wide[:, 0].tolist() == expected
    assert wide[:, 1].tolist() == [reference(value, inverted) or 1 if value else 0 for value in values]


def test_only_the_empty_value_is_unknown() -> None:
    assert Identities(KEY).hash([b"", b"\0", b"a@b", b""]).astype(bool).tolist() == [False, True, True, False]


@pytest.mark.parametrize("size", [0, 15, 17, 32])
def test_a_key_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Identities(bytes(size))


def test_the_fingerprint_tells_keys_apart_and_hides_them() -> None:
    one, other = Identities(KEY).fingerprint(), Identities(bytes(16)).fingerprint()
    assert one != other
    assert one == Identities(KEY).fingerprint()
    assert KEY.hex().encode() not in one
