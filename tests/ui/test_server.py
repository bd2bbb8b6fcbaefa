"""The settings that keep the app safe stand as flags and in the configuration, and say the same."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from ui.server import FLAGS, command

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / ".streamlit" / "config.toml"


def test_both_copies_of_the_configuration_are_the_same() -> None:
    """This test ensures that the app looks alike from the repository (the first) and from elsewhere (the second)."""
    assert CONFIG.read_text(encoding="utf-8") == (ROOT / "ui" / ".streamlit" / "config.toml").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize(
    "flag",
    [
        "--server.address=127.0.0.1",
        "--server.enableCORS=true",
        "--server.enableXsrfProtection=true",
        "--server.allowedHosts=127.0.0.1",
        "--browser.gatherUsageStats=false",
        "--client.showErrorDetails=none",
        "--server.maxUploadSize=200",
    ],
)
def test_the_server_is_started_with_every_safe_setting(flag: str) -> None:
    """This test ensures that a person's own Streamlit settings cannot open the app to others."""
    assert flag in command(8501, headless=True)


def test_the_configuration_does_not_contradict_the_flags() -> None:
    """This test ensures that what is set in both places is the same there."""
    config = tomllib.loads(CONFIG.read_text(encoding="utf-8"))
    for flag in FLAGS:
        name, _, value = flag.removeprefix("--").partition("=")
        section, key = name.split(".")
        if key not in config[section]:
            continue
        held = config[section][key]
        assert value in held if isinstance(held, list) else value == str(held).lower() or value == held, flag


def test_the_server_runs_no_module_of_the_folder_it_is_started_in() -> None:
    """This test ensures that a person's own queue.py is not taken for Python's."""
    assert command(8501, headless=True)[1] == "-P"
