"""An ingest that is killed at any moment; the whole campaign is `make campaign-kill`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.campaigns.kill import Stage, check_what_is_left, kill, measure


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_a_killed_ingest_loses_nothing(tmp_path: Path, encoders: Path) -> None:
    """This test ensures that a kill before, in or after the commit leaves a whole state, and the next run mends."""
    stage = Stage(tmp_path, encoders)
    stage.prepare(files=8)
    life = measure(stage)
    first, last = life.commit
    assert kill(stage, "event", first // 2)
    assert check_what_is_left(stage) == "old"
    assert kill(stage, "commit", first + 2)
    assert check_what_is_left(stage) == "old"
    assert kill(stage, "commit", last)
    assert check_what_is_left(stage) == "new"
