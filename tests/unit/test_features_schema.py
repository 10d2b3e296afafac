"""Names, order and hashes: what must change them does, and a new window is one line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.columns import UNKNOWN, UNKNOWN_TIME
from features.compiled import sources
from features.definitions import FEATURES
from features.entities import PAYEE, PAYER
from features.feature import Aggregation, plain, windowed
from features.history import OutcomeReports, history_vectors
from features.schema import FEATURE_NAMES, RULES_VERSION, SCHEMA_HASH, schema_hash
from features.store.layout import TAG
from features.words.sides import Side, flag
from tests.oracle import Payment, columns_of

WINDOWS = ("1m", "5m", "1h", "24h", "7d", "30d")
ALL_WINDOWS = (
    "payer_count", "payer_sum", "payer_mean", "payer_max", "payer_distinct_payee", "payee_count",
    "payee_distinct_payer", "device_count", "device_distinct_payer",
)  # fmt: skip
REPOSITORY = Path(__file__).parents[2]
START = 1_790_000_000_000
WORDS = flag(Side("YES", ""), Side("NO", ""), Side("UNKNOWN", ""))


def test_every_windowed_feature_of_the_interface_exists() -> None:
    for stem in ALL_WINDOWS:
        for window in WINDOWS:
            assert f"{stem}_{window}" in FEATURE_NAMES
    assert {"payer_std_30d", "amount_paise", "payer_seconds_since_last", "payee_fraud_rate_30d"} <= set(FEATURE_NAMES)


def test_names_are_unique_and_every_plain_feature_has_its_words() -> None:
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)
    assert all(feature.meaning for feature in FEATURES)
    assert all((feature.words is None) == (feature.window is not None) for feature in FEATURES)


def test_a_payment_of_which_everything_is_known_lacks_no_plain_feature() -> None:
    """A feature that is declared and that no kernel writes would be missing for ever."""
    times = {name: 1 for name, unknown in UNKNOWN.items() if unknown == UNKNOWN_TIME}
    known = {"latitude": 19.0, "longitude": 72.8, "flow": 2, "type": 1, "initiation": 1, "same_bank": True}
    minutes = [
        Payment(1, START, 900, 2, 1, 9, **known),  # somebody pays the payer
        Payment(9, START, 900, 3, 2, 8, **known),  # the payee pays somebody
        *(Payment(n + 2, START + (n + 1) * 60_000, 100 + n, 1, 3, 4, **known, **times) for n in range(3)),
    ]
    reported = OutcomeReports(np.array([2, 3]), START + np.array([100_000, 150_000]), np.array([False, True]))
    vectors, _ = history_vectors(columns_of(minutes), reported)
    missing = {name for name, value in zip(FEATURE_NAMES, vectors[-1].tolist(), strict=True) if value != value}
    assert not missing


def test_the_hash_changes_with_whatever_changes_a_vector() -> None:
    one, *others = FEATURES
    changed = [
        schema_hash(FEATURES[:-1]),
        schema_hash((*FEATURES[1:], FEATURES[0])),
        schema_hash((replace(one, name="other"), *others)),
        schema_hash((*others, *windowed(PAYER, Aggregation.STD, "1h"))),
        schema_hash((*others, *windowed(PAYER, Aggregation.STD, "24h"))),
        schema_hash((*others, *windowed(PAYEE, Aggregation.STD, "24h"))),
        schema_hash((*others, *windowed(PAYEE, Aggregation.MAX, "24h"))),
        schema_hash((*others, plain("another", "", WORDS))),
        schema_hash((*others, plain("yet_another", "", WORDS))),
        schema_hash(FEATURES, RULES_VERSION + 1),
        schema_hash(),
    ]
    assert len(set(changed)) == len(changed)


def test_the_hash_does_not_change_with_a_wording() -> None:
    assert schema_hash((replace(FEATURES[0], meaning="said otherwise"), *FEATURES[1:])) == SCHEMA_HASH


@pytest.mark.parametrize("constant", ["HORIZON", "BLOCK", "PANES", "WINDOWS"])
def test_the_hash_changes_with_the_window_rules(constant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from features import schema

    value = getattr(schema, constant)
    monkeypatch.setattr(schema, constant, {**value, "30d": value["30d"] + 1} if constant == "WINDOWS" else value * 2)
    assert schema_hash() != SCHEMA_HASH


PROBE = """
import json, sys
import numpy as np
sys.path.append({tests!r})
from features import schema
from features.store import layout
from features.history import history_vectors
from features.store.memory_store import MemoryEntityStore
from features.online import OnlineFeatures
from features.store.messages import Claims
from features.store.contract import Origin
from tests.oracle import Payment, columns_of

DAY = 86_400_000
ages = [0, 30_000, 20 * 60_000, 40 * 60_000, 3 * 3_600_000, 10 * 3_600_000, 5 * DAY, 20 * DAY, 50 * DAY]
payments = [Payment(n + 1, 1_790_000_000_000 - age, 100 * (n + 1), 1, 2, 3) for n, age in enumerate(reversed(ages))]
columns = columns_of(payments)
vectors, _ = history_vectors(columns)
n = len(payments)
online = OnlineFeatures(MemoryEntityStore(), 1 << 20).process(
    columns, Claims(np.zeros(n, np.uint16), np.arange(n)), [Origin(b"t:0", 0, n)]
)
assert online.vectors.tobytes() == vectors.tobytes()
last = dict(zip(schema.FEATURE_NAMES, vectors[-1].tolist()))
print(json.dumps([layout.TAG, schema.SCHEMA_HASH, last]))
"""


def probe(tree: Path) -> tuple[str, str, dict[str, float]]:
    """Import the features of a tree, and measure one payer with payments 30 s to 50 d ago."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore:overflow", "-c", PROBE.format(tests=str(REPOSITORY))],
        cwd=tree,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},  # a minute of compiling would show nothing more
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return tuple(json.loads(run.stdout))


def with_window(tree: Path, line: str, before: str | None) -> None:
    """Add one line to the windows: before another, or as the last."""
    path = tree / "features" / "windows.py"
    text = path.read_text()
    at = text.index(f'        "{before}":') if before else text.index("    }\n", text.index("WINDOWS: Final"))
    path.write_text(f"{text[:at]}        {line}\n{text[at:]}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "name", "before", "count"),
    [
        pytest.param('"30m": 30 * MINUTE,', "30m", "1h", 3, id="between"),
        pytest.param('"12h": 12 * HOUR,', "12h", None, 6, id="in no order"),
        pytest.param('"90d": 90 * DAY,', "90d", None, 9, id="the longest"),
    ],
)
def test_a_new_window_is_one_line(tmp_path: Path, line: str, name: str, before: str | None, count: int) -> None:
    """Everything follows, and nothing else changes."""
    shutil.copytree(REPOSITORY / "features", tmp_path / "features", ignore=shutil.ignore_patterns("__pycache__"))
    with_window(tmp_path, line, before)
    tag, schema, vector = probe(tmp_path)
    assert tag != TAG
    assert schema != SCHEMA_HASH
    assert vector[f"payer_count_{name}"] == vector[f"payee_count_{name}"] == vector[f"device_count_{name}"] == count
    assert set(vector) - set(FEATURE_NAMES) == {f"{stem}_{name}" for stem in ALL_WINDOWS}
    expected = {"1m": 2, "5m": 2, "1h": 4, "24h": 6, "7d": 7, "30d": 8}
    assert {window: vector[f"payer_count_{window}"] for window in expected} == expected
    assert vector["payer_amount_ratio_max_30d"] == np.float32(900 / 800)
    assert vector["payer_amount_ratio_mean_30d"] == np.float32(900 / 500)
    assert vector["payer_payee_count_30d"] == 8
    assert vector["payer_pass_through_ratio_1h"] != vector["payer_pass_through_ratio_1h"]  # nothing received


@pytest.mark.parametrize("changed", ["windows", "measure/hll", "measure/wide", "measure/window", "definitions"])
def test_compiled_kernels_are_cached_under_all_their_sources(tmp_path: Path, changed: str) -> None:
    """A kernel of the old windows must not come out of the cache when a line was added to another file."""
    shutil.copytree(REPOSITORY / "features", tmp_path / "features", ignore=shutil.ignore_patterns("__pycache__"))
    kernel = tmp_path / "features" / "measure" / "vector.py"
    before = sources(kernel, tmp_path)
    assert before == sources(REPOSITORY / "features" / "measure" / "vector.py", REPOSITORY)
    with (tmp_path / "features" / f"{changed}.py").open("a") as module:
        module.write("# another line\n")
    sources.cache_clear()
    assert sources(kernel, tmp_path) != before
    assert sources(REPOSITORY / "features" / "identity.py", REPOSITORY) == sources(
        tmp_path / "features" / "identity.py", tmp_path
    )


def test_the_tag_is_part_of_every_key() -> None:
    from features.store import layout

    assert re.fullmatch("[0-9a-f]{4}", TAG)
    for name in (layout.key(PAYER.letter, bytes(8)), layout.OFFSETS, layout.IDENTITY_CHECK, layout.LIBRARY.encode()):
        assert TAG.encode() in name
