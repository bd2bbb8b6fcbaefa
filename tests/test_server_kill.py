"""Writers and servers that are killed; the whole campaign is `make campaign-server`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from retrieval.encoder import Encoder
from tests.campaigns.server import kill_server, kill_writers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")


def test_writers_killed_at_once_leave_a_library_that_the_next_mends(
    tmp_path: Path, encoders: Path, encoder: Encoder
) -> None:
    """This test ensures that two writers, one of them killed, end in the state of a clean build."""
    assert kill_writers(tmp_path, encoders, 2)["finished"] >= 2


def test_a_killed_server_loses_nothing_that_was_acknowledged(tmp_path: Path, encoders: Path, encoder: Encoder) -> None:
    """This test ensures that every reported note is there, and that questions fail in a sentence or not at all."""
    counted = kill_server(tmp_path, encoders, 3)
    assert counted["kills"] == 3
    assert counted["acknowledged"] >= 3
    assert counted["answers"]
