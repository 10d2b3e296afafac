"""What-if = stream, bit for bit: a payment that is asked about, and then comes, gets what was said.

asked    ?a  ?b ?cd     ?e  ?a       the logs are read, never written
stream     a   b   cd      e    a    any delay, any density, folds, reports, duplicates
"""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from features.replica import fold as folding
from features.store.memory_store import MemoryEntityStore
from features.what_if import known_logs
from features.windows import BLOCK
from tests.fixtures.payment_streams import Script, dense_scripts, scripts
from tests.fixtures.what_ifs import Twice, run

WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)


@pytest.mark.slow
@settings(max_examples=30, deadline=None, phases=WITHOUT_SHRINKING)
@given(
    st.one_of(scripts(max_payments=60), dense_scripts()),
    st.integers(0, 2**32),
    st.sampled_from((2_048, known_logs.MOST_BYTES)),
)
def test_a_payment_gets_what_was_said_before_it_came(script: Script, seed: int, most: int) -> None:
    twice = Twice(MemoryEntityStore(), seed=seed)
    with patch.object(folding, "FOLD_RECORDS", BLOCK), patch.object(known_logs, "MOST_BYTES", most):
        run(twice, script.payments())
