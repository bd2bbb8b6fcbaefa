"""Injured files of every format; the whole campaign is `make campaign-fuzz`."""

from __future__ import annotations

from pathlib import Path

from ingest.readers import READERS
from tests.campaigns.fuzz import campaign


def test_injured_files_are_read_or_refused_in_one_sentence(tmp_path: Path) -> None:
    """This test ensures that no file of 100, five of each format, is unaccounted for, and none meets a surprise."""
    tally = campaign(tmp_path, count=5 * len(READERS), seed=7)
    assert all(row.total() == 5 for row in tally.values())
    assert all(row["unforeseen"] == 0 for row in tally.values())
