"""Parties and their names: every number has one VPA, and no two numbers share one.

A party is a person's index, or the number of people plus a merchant's index, or fresh: an account that was opened on a
certain day and is in no table, as everything about it follows from its number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from simulator.randomness import hashed, key_for, mix_one
from simulator.reference import APPS, BANKS, FIRST_NAMES, LAST_NAMES, SHOP_HANDLES, SHOP_NAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulator.population import Population

FRESH_PERSON: Final = 1 << 40
FRESH_SHOP: Final = 1 << 41

_ACCOUNTS_A_DAY: Final = 1 << 17
_STORY_ACCOUNTS: Final = 1 << 16
_PHONES: Final = 4_000_000_000
_PHONE_STEP: Final = 2_654_435_769  # odd and no multiple of 5: steps through all numbers before it repeats one
_HANDLES: Final = tuple(handle for app in APPS for handle in app.handles)


def story_account(day: int, number: int) -> int:
    """Number the accounts that the stories of a day open; beyond 65,536 they repeat."""
    return day * _ACCOUNTS_A_DAY + number % _STORY_ACCOUNTS


def newcomers(day: int, hour: int, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return persons who opened an account in this hour and are no part of any story."""
    return FRESH_PERSON + day * _ACCOUNTS_A_DAY + _STORY_ACCOUNTS + hour * 2_048 + numbers % 2_048


class Directory:
    """Gives parties their VPAs and banks; the same population key gives the same names."""

    def __init__(self, population: Population) -> None:
        self._key = key_for(population.key, 11)
        self._people = len(population.people)
        self._merchants = len(population.merchants)
        self._app = population.people.app
        self._known: list[bytes] = []
        bank = np.concatenate((population.people.bank, population.merchants.bank))
        self._bank = bank

    def vpas(self, parties: NDArray[np.int64]) -> list[bytes]:
        """Return the VPA of each party."""
        known = self._known or self._name_all()
        return [known[party] if party < FRESH_PERSON else self._fresh(party) for party in parties.tolist()]

    def banks(self, parties: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the bank of each party's account."""
        settled = parties < FRESH_PERSON
        banks = (hashed(self._key, parties) % np.uint64(len(BANKS) - 1)).astype(np.uint8) + np.uint8(1)
        banks[settled] = self._bank[parties[settled]]
        return banks

    def _name_all(self) -> list[bytes]:
        apps = self._app.tolist()
        names = [self._person(index, apps[index]) for index in range(self._people)]
        names += [self._shop(index) for index in range(self._merchants)]
        self._known = [name.encode() for name in names]
        return self._known

    def _person(self, index: int, app: int) -> str:
        bits = mix_one(self._key ^ index)
        handles = APPS[app].handles
        handle = handles[bits % len(handles)]
        style = (bits >> 8) % 20
        if style < 9:  # nine in twenty keep the address their app made of their phone number
            return f"{_phone(index)}@{handle}"
        first = FIRST_NAMES[(bits >> 16) % len(FIRST_NAMES)]
        last = LAST_NAMES[(bits >> 24) % len(LAST_NAMES)]
        joint = ("", ".", "-", "")[(bits >> 32) % 4]
        return f"{first}{joint}{last}{index}@{handle}"

    def _shop(self, index: int) -> str:
        bits = mix_one(self._key ^ (FRESH_SHOP + index))
        handle = SHOP_HANDLES[bits % len(SHOP_HANDLES)]
        if (bits >> 8) % 2:
            return f"q{_phone(index)}@{handle}"
        return f"{SHOP_NAMES[(bits >> 16) % len(SHOP_NAMES)]}.{index}@{handle}"

    def _fresh(self, party: int) -> bytes:
        bits = mix_one(self._key ^ party)
        if party >= FRESH_SHOP:
            return f"q{_phone(party - FRESH_SHOP)}@{SHOP_HANDLES[bits % len(SHOP_HANDLES)]}".encode()
        return f"{_phone(party - FRESH_PERSON)}@{_HANDLES[bits % len(_HANDLES)]}".encode()


def _phone(number: int) -> int:
    """Return a mobile number, another one for each number below 4 * 10^9."""
    return 6_000_000_000 + number * _PHONE_STEP % _PHONES
