"""What the commands share: their options, how they fail, how they open a library and print."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from retrieval.errors import IndexMissingError, PrepdeskError, QueryError
from retrieval.store import Store
from retrieval.types import MODES, Mode
from ui.stores import CHROMA, find_store

if TYPE_CHECKING:
    from retrieval import Filters, Library

EMPTY = "the text is empty; nothing was looked for"
_CONTROLS = re.compile(r"[\x7f-\x9f]")
P = ParamSpec("P")
R = TypeVar("R")

IndexOption = Annotated[
    Path | None,
    typer.Option(
        "--index", envvar="PREP_INDEX", help="Library home; by default the one of your user account.", metavar="DIR"
    ),
]
ChromaOption = Annotated[
    str | None,
    typer.Option(
        "--chroma",
        envvar=CHROMA,
        help="Library on a Chroma server, like http://localhost:8000; its token: PREP_CHROMA_TOKEN.",
        metavar="URL",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else there.")]
LlmOption = Annotated[
    bool | None,
    typer.Option("--llm/--no-llm", help="Let the language model of PREP_LLM_URL write; by default if one is named."),
]
ModeOption = Annotated[str, typer.Option("--mode", help="hybrid, dense or lexical.")]
RerankerOption = Annotated[
    str | None,
    typer.Option("--reranker", help="A cross-encoder, name or folder, that orders the first 20 hits.", metavar="MODEL"),
]
QueriesOption = Annotated[
    Path | None,
    typer.Option(
        "--queries", help='File of {"_id", "text"} lines; prints one JSON line for each.', metavar="FILE.jsonl"
    ),
]
KindOption = Annotated[
    list[str] | None, typer.Option("--kind", help="Only passages of this kind: prose, qa, code, table, list.")
]
TopicOption = Annotated[list[str] | None, typer.Option("--topic", help="Only passages with this topic.")]
SourceOption = Annotated[list[str] | None, typer.Option("--source", help="Only this source or folder of the library.")]


class Commands(TyperGroup):
    """The commands of `prep`: what is typed wrong is told in one line with where to look, and exits 2."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> Any:
        with _told_in_one_line() if args else nullcontext():  # without arguments it is the help that is raised
            return super().make_context(info_name, args, *rest, **extra)

    def invoke(self, ctx: Any) -> Any:
        with _told_in_one_line(ctx):
            return super().invoke(ctx)


@contextmanager
def _told_in_one_line(asked: Any = None) -> Iterator[None]:
    try:
        yield
    except TyperException as error:
        context = getattr(error, "ctx", None)
        name = context.info_name if context and context.parent else getattr(asked, "invoked_subcommand", None)
        # What a command itself says of its options is a whole sentence, and no "Invalid value".
        ours = isinstance(error, typer.BadParameter) and error.param is None
        said = error.message if ours else error.format_message()
        tell(f"{said} (see: prep{f' {name}' if name else ''} -h)")
        raise typer.Exit(error.exit_code) from error


def command(app: typer.Typer, **options: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register a command whose PrepdeskErrors become one line on stderr and exit code 1."""

    def register(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except PrepdeskError as error:
                tell(error)
                raise typer.Exit(1) from error
            except KeyboardInterrupt as error:
                print("prep: interrupted; nothing already indexed is lost", file=sys.stderr)
                raise typer.Exit(130) from error
            except BrokenPipeError as error:
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise typer.Exit(0) from error

        return app.command(**options)(run)

    return register


def tell(error: PrepdeskError | str) -> None:
    """Print an error as one line on stderr; the names of files in it may hold anything."""
    from ingest.decode import message

    print(f"prep: {message(str(error))}", file=sys.stderr)


def store_at(index: Path | None, chroma: str | None) -> Store:
    """Return the library that the options name; what takes time is told on stderr."""
    return find_store(index, chroma, lambda said: print(said, file=sys.stderr))


def open_or_build(index: Path | None, chroma: str | None, reranker: str | None = None) -> Library:
    """Open the library; where this machine has none yet, build that of the bundled corpus first."""
    from retrieval import Library
    from retrieval.reranker import open_reranker

    home = store_at(index, chroma)
    second = open_reranker(reranker) if reranker else None
    try:
        return Library(home, reranker=second)
    except IndexMissingError:
        # A library that others share is filled by whoever keeps it.
        if chroma or (index is not None and index.exists() and not index.is_dir()):
            raise
    from ingest.bundled import bundled_corpus
    from ingest.pipeline import ingest as build
    from ui import console

    said = f"No index at {home.place} yet: building that of the bundled corpus (about a minute, once)."
    console.err.print(said, markup=False)
    with console.ingest_progress() as progress:
        build(home, [bundled_corpus()], progress=progress)
    return Library(home, reranker=second)


def filters_of(kinds: list[str] | None, topics: list[str] | None, sources: list[str] | None) -> Filters | None:
    from ui import filters

    try:
        return filters.filters_of(kinds or (), topics or (), sources or ())
    except QueryError as error:
        raise typer.BadParameter(f"--kind: {error}") from error


def mode_of(name: str) -> Mode:
    if name not in MODES:
        raise typer.BadParameter(f"no search mode {name!r}; choose one of {', '.join(MODES)}")
    return name


def asked(text: str | None, queries: Path | None, what: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the text given, or those of a file with their ids; call it before anything is opened.

    Raises QueryError for an empty text, GoldError for a file that is none of queries.
    """
    if queries is not None:
        from evals.gold import read_queries

        return "", read_queries(queries)
    if text is None:
        raise typer.BadParameter(f"no {what} given; type one in quotes, or use --queries FILE.jsonl")
    if not text.strip():
        raise QueryError(f"the {what} is empty; type a few words")
    return text, []


def print_json(value: Any, indent: int | None = 2) -> None:
    said = json.dumps(value, ensure_ascii=False, indent=indent)
    # Of the controls JSON escapes the first 32 only; terminals obey those from 128 on as well.
    sys.stdout.write(_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", said) + "\n")
    sys.stdout.flush()
