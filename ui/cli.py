"""The `prep` command. Results on stdout, everything else on stderr; errors are one line and exit 1."""

from __future__ import annotations

import gc
import io
import sys

import typer

from retrieval.library import quiet
from ui.commands import asking, indexing, measuring, searching, serving
from ui.options import Commands

app = typer.Typer(
    cls=Commands,
    help="Answers from your own interview material, with the passage each one comes from.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (indexing, asking, searching, measuring, serving):
    app.add_typer(part.app)


def main() -> None:
    """Run the command line."""
    quiet()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Whatever the locale: results hold arrows and umlauts, and names of files may be no text at all.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        app()
    finally:
        gc.freeze()  # what is left goes with the process; to look through it for cycles would take 0.1 s


if __name__ == "__main__":
    main()
