"""Whatever file comes, `try` ends with a proposal or with one line that says what is wrong: no traceback, no hang.

UPIFRAUD_TEST_SPOILT_FILES=2000 tries so many; UPIFRAUD_TEST_SPOILT_SEED=n begins with another.
"""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from files.column_map import map_of
from history.message_fields import OUTCOME, PAYMENT
from tests.fixtures.fuzzed_files import spoilt_file
from upifraud.cli import main
from upifraud.proposal.proposal import OPEN

if TYPE_CHECKING:
    from pathlib import Path

FILES = int(os.environ.get("UPIFRAUD_TEST_SPOILT_FILES", "60"))
FIRST = int(os.environ.get("UPIFRAUD_TEST_SPOILT_SEED", "0"))
AT_ONCE = 20
"""Files of one test."""
TRIED_TO_THE_END = 20
"""Of so many files the map of one is tried, too."""


def told(*arguments: str) -> int:
    """Run a command; what is wrong with a file is one line, and exit code 1 or 2."""
    result = CliRunner().invoke(main, [*arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert result.exit_code in {0, 1, 2}
    if result.exit_code:
        errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
        assert len(errors) == 1, result.stderr
        assert len(errors[0]) > len("Error: expected")
    return result.exit_code


@pytest.mark.slow
@pytest.mark.parametrize("first", range(FIRST, FIRST + FILES, AT_ONCE))
def test_a_spoilt_file_is_read_rightly_or_refused_in_a_line(tmp_path: Path, first: int) -> None:
    for seed in range(first, min(first + AT_ONCE, FIRST + FILES)):
        file, map_ = spoilt_file(tmp_path, seed), tmp_path / f"{seed}.toml"
        try:
            code = told("try", str(file), "--write-map", str(map_))
            assert code == 1 or map_.exists()
            if map_.exists():
                text = map_.read_text()
                tables = tomllib.loads(text)
                if f'"{OPEN}"' not in text:
                    map_of(tables, "the map", PAYMENT, OUTCOME)
                if seed % TRIED_TO_THE_END == 0:
                    told("try", str(file), "--map", str(map_), "--no-baselines", "--max-rejected-payments", "90%")
        except BaseException as error:
            kept = file.rename(tmp_path.parent / file.name)
            raise AssertionError(f"seed {seed}, kept as {kept}: {error!r}") from error
