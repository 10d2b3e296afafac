"""The switch is a function of its parameters and the time."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest

from simulator.encode import encode_payments, transaction_ids
from simulator.errors import ParameterError
from simulator.parameters import Parameters
from simulator.payments import Payments
from simulator.span import HISTORY_END_MS, Span, between, ending, starting
from simulator.switch import Switch
from simulator.timeline import DAY_MS, HOUR_MS

SMALL = Parameters(seed=11, payers=400)
DIGEST = """
import hashlib, sys
from simulator.encode import encode_payments
from simulator.parameters import Parameters
from simulator.span import HISTORY_END_MS
from simulator.switch import Switch
rate, share = float(sys.argv[2]), float(sys.argv[3])
switch = Switch(Parameters(seed=int(sys.argv[1]), payers=400, fraud_rate=rate, reused_payees=share))
digest = hashlib.sha256()
for payments in switch.payments(HISTORY_END_MS - 86_400_000, HISTORY_END_MS):
    for value in encode_payments(payments, switch.directory)[1]:
        digest.update(value)
print(digest.hexdigest())
"""


GOLDEN = {
    (0.003, 0.0): "a99cadc84d2e2972188486091a9ed99477066d39448ccd987a498ab0ee005ca5",
    (0.003, 0.15): "0eac92e11e927dc2c60f07ba91bb2f37d3605c5cc8efa1888bfa9976e29e6cf3",
    (0.05, 0.15): "816b1fee7770c74a8fe5780162259e5d5e1d5556f6651178352e11f3a1d608d9",
}
"""A day of 400 payers of seed 11, by fraud rate and share of reused payees.

Whoever changes one changes every history: say so in the CHANGELOG. The first is older than reused payees are.
"""


def made(parameters: Parameters, start: int, until: int) -> Payments:
    return Payments.joined(list(Switch(parameters).payments(start, until)))


def digest_elsewhere(seed: int, fraud_rate: float, reused_payees: float, hash_seed: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", DIGEST, str(seed), str(fraud_rate), str(reused_payees)],
        env={"PYTHONHASHSEED": hash_seed, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.strip()


@pytest.mark.parametrize(("rate", "share"), list(GOLDEN))
def test_the_same_seed_gives_the_same_bytes_in_any_process_and_on_any_machine(rate: float, share: float) -> None:
    digest = hashlib.sha256()
    switch = Switch(Parameters(seed=11, payers=400, fraud_rate=rate, reused_payees=share))
    for payments in switch.payments(HISTORY_END_MS - DAY_MS, HISTORY_END_MS):
        for value in encode_payments(payments, switch.directory)[1]:
            digest.update(value)
    there = [digest_elsewhere(11, rate, share, hash_seed) for hash_seed in ("1", "2")]
    assert there == [digest.hexdigest(), digest.hexdigest()] == [GOLDEN[rate, share]] * 2


def test_another_seed_gives_other_payments() -> None:
    here = made(SMALL, HISTORY_END_MS - DAY_MS, HISTORY_END_MS)
    there = made(Parameters(seed=12, payers=400), HISTORY_END_MS - DAY_MS, HISTORY_END_MS)
    assert not set(here.transaction.tolist()) & set(there.transaction.tolist())
    assert here.amount_paise.tolist() != there.amount_paise.tolist()


def test_other_parameters_give_other_transaction_ids_but_the_same_people() -> None:
    calm = Switch(Parameters(seed=11, payers=400, fraud_rate=0.0))
    wild = Switch(Parameters(seed=11, payers=400, fraud_rate=0.1))
    everybody = np.arange(400, dtype=np.int64)
    assert calm.directory.vpas(everybody) == wild.directory.vpas(everybody)
    start = HISTORY_END_MS - HOUR_MS
    one, two = next(calm.payments(start, HISTORY_END_MS)), next(wild.payments(start, HISTORY_END_MS))
    assert not set(one.transaction.tolist()) & set(two.transaction.tolist())


def test_a_history_and_what_follows_it_are_one_run_cut_in_two() -> None:
    parameters = Parameters(seed=5, payers=300, fraud_rate=0.05)
    start, cut, until = HISTORY_END_MS - 6 * DAY_MS, HISTORY_END_MS - 2 * DAY_MS - 1_234_567, HISTORY_END_MS
    whole = made(parameters, start, until)
    parts = Payments.joined([made(parameters, start, cut), made(parameters, cut, until)])
    for field in fields(Payments):
        assert (getattr(whole, field.name) == getattr(parts, field.name)).all(), field.name


def test_ids_and_campaigns_do_not_repeat() -> None:
    payments = made(Parameters(seed=5, payers=300, fraud_rate=0.1), HISTORY_END_MS - 8 * DAY_MS, HISTORY_END_MS)
    assert len(set(transaction_ids(payments.transaction))) == len(payments)
    frauds = payments.take(payments.campaign > 0)
    for campaign in np.unique(frauds.campaign):
        assert len(np.unique(frauds.typology[frauds.campaign == campaign])) == 1


def test_payments_come_in_order_within_the_times_asked_for() -> None:
    start, until = HISTORY_END_MS - DAY_MS + 777, HISTORY_END_MS - 333
    payments = made(SMALL, start, until)
    assert (np.diff(payments.event_time) >= 0).all()
    assert payments.event_time[0] >= start
    assert payments.event_time[-1] < until


def test_nobody_pays_themselves_in_a_story() -> None:
    payments = made(Parameters(seed=5, payers=300, fraud_rate=0.1), HISTORY_END_MS - 4 * DAY_MS, HISTORY_END_MS)
    assert not (payments.payer == payments.payee)[payments.typology > 0].any()


@pytest.mark.parametrize("count", [1, 999, 5_000])
def test_a_span_has_exactly_the_payments_asked_for(count: int) -> None:
    switch = Switch(SMALL)
    last = Payments.joined(list(ending(switch, HISTORY_END_MS, count).payments(switch)))
    first = Payments.joined(list(starting(HISTORY_END_MS - DAY_MS, count).payments(switch)))
    assert len(last) == len(first) == count
    assert last.event_time[-1] < HISTORY_END_MS
    assert first.event_time[0] >= HISTORY_END_MS - DAY_MS


def test_the_payments_before_an_end_are_the_last_ones() -> None:
    switch = Switch(SMALL)
    everything = Payments.joined(list(switch.payments(HISTORY_END_MS - 3 * DAY_MS, HISTORY_END_MS)))
    last = Payments.joined(list(ending(switch, HISTORY_END_MS, 1_500).payments(switch)))
    assert last.transaction.tolist() == everything.transaction[-1_500:].tolist()


def test_times_that_cannot_be_simulated_are_refused() -> None:
    with pytest.raises(ParameterError, match="2000 to 2049"):
        next(Switch(SMALL).payments(0, HISTORY_END_MS))
    with pytest.raises(ParameterError, match="start before the end"):
        between(HISTORY_END_MS, HISTORY_END_MS)
    with pytest.raises(ParameterError, match="before the year 2000"):
        ending(Switch(Parameters(payers=50, payments_per_day=0.01)), HISTORY_END_MS, 100_000)


@pytest.mark.parametrize(
    "wrong",
    [
        {"payers": 10},
        {"fraud_rate": 0.9},
        {"seed": -1},
        {"hot_payee": 1.5},
        {"reused_payees": 1.5},
        {"payments_per_day": 0},
    ],
)
def test_parameters_outside_what_can_be_simulated_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match="expected"):
        Parameters(**wrong)  # type: ignore[arg-type]


def test_a_hot_payee_has_its_share_of_the_traffic() -> None:
    payments = made(Parameters(seed=2, payers=2_000, hot_payee=0.2), HISTORY_END_MS - 3 * DAY_MS, HISTORY_END_MS)
    _, counts = np.unique(payments.payee, return_counts=True)
    assert counts.max() / len(payments) == pytest.approx(0.2, abs=0.012)


def test_a_span_can_be_iterated_again() -> None:
    switch = Switch(SMALL)
    span = Span(HISTORY_END_MS - HOUR_MS * 4, HISTORY_END_MS)
    first, second = (Payments.joined(list(span.payments(switch))) for _ in range(2))
    assert first.transaction.tolist() == second.transaction.tolist()
