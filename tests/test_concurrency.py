"""Readers beside a writer; more of it: `make campaign-readers`."""

from __future__ import annotations

from pathlib import Path

from retrieval.encoder import Encoder
from tests.campaigns.readers import commit_while_read


def test_readers_never_fail_and_always_see_the_newest(tmp_path: Path, encoders: Path, encoder: Encoder) -> None:
    """This test ensures that ten commits disturb no reader in another process and that each is seen at once."""
    counted = commit_while_read(tmp_path, encoders, readers=2, generations=10)
    for reader in counted:
        assert reader["stale"] == 0
        assert reader["generations"][-1] == "000011"
        assert reader["queries"] >= 10
