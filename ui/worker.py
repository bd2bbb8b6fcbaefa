"""An ingest as a process of its own: `python -m ui.worker HOME [ROOT...]`; one JSON line on stdout for every step.

The app runs it so that a file which hangs a reader, or runs the machine out of memory,
cannot take the app with it, and so that a cancel is a plain end of a process: the
generation that was live stays live.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ingest.pipeline import ingest
from retrieval.errors import PrepdeskError
from retrieval.library import quiet
from ui.shelf import take_out
from ui.stores import CHROMA, find_store


def main(arguments: Sequence[str]) -> int:
    """Ingest the roots into the library home, or take the named sources out of it."""
    parser = argparse.ArgumentParser(prog="ui.worker")
    parser.add_argument("home", type=Path)
    parser.add_argument("roots", type=Path, nargs="*")
    parser.add_argument("--remove", action="append", default=[], metavar="PATH")
    given = parser.parse_args(arguments)
    quiet()
    try:
        home = find_store(given.home, os.environ.get(CHROMA))
        if given.remove:
            report = take_out(home, given.remove, step)
        else:
            report = ingest(home, given.roots, wait=5.0, progress=step)
    except PrepdeskError as error:
        say(error=" ".join(str(error).split()))
        return 1
    say(report=asdict(report))
    return 0


def step(stage: str, done: int, total: int) -> None:
    """Tell how far a stage is."""
    say(stage=stage, done=done, total=total)


def say(**facts: Any) -> None:
    """Print one JSON line, at once."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
