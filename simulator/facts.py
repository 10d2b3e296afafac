"""More of what a switch knows of a payment, as version 1.1 has it: accounts, mobiles, branches, kinds of parties.

A party's account, mobile and branch follow from its number, so they are the same in all its payments. Nothing here
changes any other field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Self

import numpy as np

from simulator import codes
from simulator.randomness import hashed, key_for
from simulator.reference import BANKS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulator.payments import Payments

_MEMBERS: Final = (
    b',"payer_account":"%014d","payee_account":"%014d","payer_mobile":"91%010d"%b,"payer_ifsc":"%b0%06d",'
    b'"payee_ifsc":"%b0%06d","payer_type":"PERSON","payee_type":"%b","initiation_mode":"%b","purpose":"00",'
    b'"device_type":"MOB","device_os":"%b"}'
)
_MODES: Final = [b"00", b"01", b"04", b"00", b"00", b"00", b"11"]
"""UPI's codes by how the payee was addressed: a QR code is 01, an intent 04, a mandate 11."""
_SYSTEMS: Final = [b"Android 14", b"Android 15", b"Android 15", b"iOS 18.1"]
_BANKS: Final = [name.encode() or b"SBIN" for name in BANKS]
_MOBILES: Final = 4_000_000_000
_FIRST_MOBILE: Final = 6_000_000_000


def with_facts(payments: Payments, values: list[bytes]) -> list[bytes]:
    """Return the payments as JSON with the fields of version 1.1 at their ends."""
    payer, payee = _Numbers.of(payments.payer), _Numbers.of(payments.payee)
    is_person = payments.flow != codes.P2M
    payee_mobiles = [
        b',"payee_mobile":"91%010d"' % mobile if person else b""
        for mobile, person in zip(payee.mobile, is_person.tolist(), strict=True)
    ]
    members = zip(
        payer.account,
        payee.account,
        payer.mobile,
        payee_mobiles,
        map(_BANKS.__getitem__, payments.payer_bank.tolist()),
        payer.branch,
        map(_BANKS.__getitem__, payments.payee_bank.tolist()),
        payee.branch,
        [b"PERSON" if person else b"ENTITY" for person in is_person.tolist()],
        map(_MODES.__getitem__, payments.initiation.tolist()),
        map(_SYSTEMS.__getitem__, (payments.device & np.uint64(3)).tolist()),
        strict=True,
    )
    return [value[:-1] + _MEMBERS % these for value, these in zip(values, members, strict=True)]


class _Numbers(NamedTuple):
    """What follows from a party's number, by party."""

    account: list[int]
    mobile: list[int]
    branch: list[int]

    @classmethod
    def of(cls, parties: NDArray[np.int64]) -> Self:
        account, mobile, branch = (hashed(key_for(word, 81), parties) for word in range(3))
        return cls(
            (account % np.uint64(10**14)).tolist(),
            (mobile % np.uint64(_MOBILES) + np.uint64(_FIRST_MOBILE)).tolist(),
            (branch % np.uint64(10**6)).tolist(),
        )
