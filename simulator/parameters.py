"""What a run of the switch depends on: the same parameters give the same payments."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from simulator.errors import ParameterError

REAL_FRAUD_RATE = 7e-6
"""What was reported for UPI: about 7 payments in a million. Far too few to show anything within minutes."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """A valid set of parameters; raises ParameterError where one cannot be simulated.

    `payers`, `merchants` and `payments_per_day` (per payer) make the population, everything else what it does. So a
    history and a later stream with another fraud rate still have the same people in them.
    """

    seed: int = 0
    payers: int = 20_000
    merchants: int = 0
    """0: one for every four payers."""
    payments_per_day: float = 2.5
    """Mean payments of a payer a day, everything included."""
    fraud_rate: float = 0.003
    """Share of payments that are part of a fraud; see REAL_FRAUD_RATE."""
    genuine_rate: float = 0.004
    """Share of honest payments that somebody looks at and reports as GENUINE."""
    hot_payee: float = 0.0
    """Share of the traffic that goes to one merchant."""
    reused_payees: float = 0.15
    """Share of frauds that go to payee accounts used again over days; 0: none, and all else as it was before them."""
    run: int = 0
    """Tells runs of the same population apart: each has transaction ids and campaigns of its own."""

    def __post_init__(self) -> None:
        if self.merchants == 0:
            object.__setattr__(self, "merchants", max(40, self.payers // 4))
        self._require(self.seed >= 0, f"seed: expected 0 or more, got {self.seed}")
        self._require(50 <= self.payers <= 20_000_000, f"payers: expected 50 to 20 million, got {self.payers}")
        self._require(40 <= self.merchants <= 10_000_000, f"merchants: expected 40 to 10 million, got {self.merchants}")
        self._require(
            0.01 <= self.payments_per_day <= 5_000,
            f"payments per day: expected 0.01 to 5000 a payer, got {self.payments_per_day}",
        )
        self._require(0 <= self.fraud_rate <= 0.5, f"fraud rate: expected a share from 0 to 0.5, got {self.fraud_rate}")
        self._require(
            0 <= self.genuine_rate <= 1, f"genuine rate: expected a share from 0 to 1, got {self.genuine_rate}"
        )
        self._require(0 <= self.hot_payee <= 1, f"hot payee: expected a share from 0 to 1, got {self.hot_payee}")
        self._require(
            0 <= self.reused_payees <= 1, f"reused payees: expected a share from 0 to 1, got {self.reused_payees}"
        )

    @property
    def payments_a_day(self) -> float:
        """Mean payments a day of the whole population."""
        return self.payers * self.payments_per_day

    @property
    def population_key(self) -> int:
        """64 bits that name the population: who there is, with which habits."""
        return _digest(
            {
                "seed": self.seed,
                "payers": self.payers,
                "merchants": self.merchants,
                "payments_per_day": self.payments_per_day,
            }
        )

    @property
    def run_key(self) -> int:
        """64 bits that name everything generated: other parameters give other transaction ids."""
        return _digest(asdict(self)) if self.reused_payees else self.campaign_key

    @property
    def campaign_key(self) -> int:
        """64 bits that name the campaigns to choose from: another share of reused payees leaves out others of them."""
        named = asdict(self)
        del named["reused_payees"]
        return _digest(named)

    @staticmethod
    def _require(condition: bool, message: str) -> None:  # the one thing it is about
        if not condition:
            raise ParameterError(message)


def _digest(named: dict[str, float]) -> int:
    text = json.dumps(named, sort_keys=True)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
