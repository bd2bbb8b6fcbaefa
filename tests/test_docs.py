"""The README: its commands run, its links lead somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest.pipeline import Report
from tests.test_cli import Prep, prep

__all__ = ["prep"]

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> Iterator[str]:
    """Yield every `prep ...` line of the README's shell blocks, comments and prompts left out."""
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.M | re.S):
        for line in block.splitlines():
            command = line.split("#")[0].strip().removeprefix("$ ")
            if command.startswith("prep ") and command not in ("prep ui",):
                yield command


@pytest.mark.parametrize("command", sorted(set(commands())))
def test_a_command_of_the_readme_runs(
    command: str, prep: Prep, notes: Path, ingest_notes: Callable[..., Report]
) -> None:
    """This test ensures that what the README says to type works as typed, on a small library."""
    ingest_notes()
    arguments = [str(notes) if word.startswith("~") else word for word in shlex.split(command)[1:]]
    if arguments[0] == "eval":  # the bundled gold wants the bundled corpus; tests/evals runs it there
        arguments.append("--help")
    done = prep(*arguments)
    assert done.returncode == 0, done.stderr


def test_links_of_the_readme_lead_to_files() -> None:
    """This test ensures that no picture or page is missing."""
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert [t for t in targets if not (ROOT / t).exists()] == []


def test_the_python_of_the_readme_names_what_exists() -> None:
    """This test ensures that the example's calls are those of the library."""
    from retrieval import Library

    called = set(re.findall(r"library\.(\w+)\(", README))
    assert called == {"search", "ask", "related"}
    assert all(callable(getattr(Library, name)) for name in called)
