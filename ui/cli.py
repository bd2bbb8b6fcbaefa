"""The `prep` command. Results on stdout, everything else on stderr; errors are one line and exit 1."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

import typer

from retrieval.errors import IndexMissingError, PrepdeskError, QueryError
from retrieval.library import default_home, quiet
from retrieval.store import Home
from retrieval.types import MODES, PASSAGE_KINDS

if TYPE_CHECKING:
    from retrieval import Filters, Library

app = typer.Typer(
    help="Answers from your own interview material, with the passage each one comes from.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

P = ParamSpec("P")
R = TypeVar("R")

IndexOption = Annotated[
    Path | None,
    typer.Option(
        "--index", envvar="PREP_INDEX", help="Library home; by default the one of your user account.", metavar="DIR"
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


def command(**options: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register a command whose PrepdeskErrors become one line on stderr and exit code 1."""

    def register(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except PrepdeskError as error:
                print(f"prep: {' '.join(str(error).split())}", file=sys.stderr)
                raise typer.Exit(1) from error
            except KeyboardInterrupt as error:
                print("prep: interrupted; nothing already indexed is lost", file=sys.stderr)
                raise typer.Exit(130) from error
            except BrokenPipeError as error:
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise typer.Exit(0) from error

        return app.command(**options)(run)

    return register


@command(epilog="Example: prep ingest ~/notes")
def ingest(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH...]", help="Files or folders; none: the bundled corpus.")
    ] = None,
    index: IndexOption = None,
    model: Annotated[str | None, typer.Option("--model", help="A sentence-transformers model: name or folder.")] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Read and embed everything anew.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, change nothing.")] = False,
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", help="Take a source or folder out of the library; the files stay.", metavar="PATH"),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C, ingesting what changes.")] = False,
    columns: Annotated[
        str | None,
        typer.Option("--columns", help="Columns of question banks: question=Prompt,answer=Solution.", metavar="NAMES"),
    ] = None,
    wait: Annotated[float, typer.Option("--wait", help="Seconds to wait for another writer.")] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Build or update the index from your files."""
    from dataclasses import asdict

    from ingest import pipeline
    from ui import console, ingest_command

    home = Home(index or default_home())
    named = ingest_command.columns_of(columns)
    if remove and (paths or watch or rebuild or dry_run):
        raise QueryError("--remove goes alone; ingest in a command of its own")
    if watch and dry_run:
        raise QueryError("--watch and --dry-run exclude each other")
    roots = [] if remove else ingest_command.roots_for(home, paths or [], known=rebuild or watch)
    with console.ingest_progress() as progress:
        if remove:
            report = pipeline.remove(home, remove, wait=wait, progress=progress)
        else:
            report = pipeline.ingest(
                home, roots, model=model, rebuild=rebuild, dry_run=dry_run, columns=named, wait=wait, progress=progress
            )
    if as_json:
        _print_json(asdict(report))
    else:
        console.print_report(report)
    if watch:
        ingest_command.watch(home, roots, named, as_json=as_json)
    if report.failed and not dry_run and report.nothing_indexed:
        print("prep: nothing could be indexed; the lines above say why", file=sys.stderr)
        raise typer.Exit(1)


@command(epilog='Example: prep ask "When do I prefer L1 over L2?"')
def ask(
    question: Annotated[str | None, typer.Argument(help="Your question, in your own words.")] = None,
    index: IndexOption = None,
    queries: QueriesOption = None,
    reranker: RerankerOption = None,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="Only passages of this kind: prose, qa, code, table, list.")
    ] = None,
    topic: Annotated[list[str] | None, typer.Option("--topic", help="Only passages with this topic.")] = None,
    source: Annotated[
        list[str] | None, typer.Option("--source", help="Only this source or folder of the library.")
    ] = None,
    llm: LlmOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question from your library, every sentence with its source."""
    from retrieval.wire import answer_json
    from ui import llm_command

    filters = _filters(kind, topic, source)
    model = llm_command.configured(llm)
    with _open_or_build(index, reranker) as library:
        if queries is not None:
            for id_, text in _read_queries(queries):
                answer = llm_command.answer(library, model, text, filters)
                _print_json({"_id": id_, **answer_json(answer)}, indent=None)
            return
        text = _given(question, "question")
        if as_json:
            _print_json(answer_json(llm_command.answer(library, model, text, filters)))
        else:
            llm_command.show(library, model, text, filters)


@command(epilog="Example: prep chat")
def chat(index: IndexOption = None, llm: LlmOption = None) -> None:
    """Ask question after question; a follow-up is searched as a question that stands alone."""
    from ui import chat_command, llm_command

    model = llm_command.configured(llm)
    with _open_or_build(index) as library:
        chat_command.converse(library, model)


@command(epilog="Example: prep llm")
def llm(as_json: JsonOption = False) -> None:
    """Show which language models answer at PREP_LLM_URL, and try the one that would write."""
    from ui import llm_command

    found = llm_command.examine()
    if as_json:
        _print_json(found)
    else:
        llm_command.print_examined(found)


@command(epilog="Example: prep mcp")
def mcp(
    index: IndexOption = None,
    http: Annotated[bool, typer.Option("--http", help="Serve streamable HTTP on 127.0.0.1 and not stdio.")] = False,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on this machine, with --http.")] = 8600,
) -> None:
    """Offer your library to an assistant over the Model Context Protocol."""
    from ui import mcp_server

    with _open_or_build(index) as library:
        mcp_server.serve(library, port=port if http else None)


@command(epilog="Example: prep search 'vanishing gradients' --k 3 --explain")
def search(
    query: Annotated[str | None, typer.Argument(help="What to look for.")] = None,
    index: IndexOption = None,
    k: Annotated[int, typer.Option("--k", min=1, max=1000, help="How many passages.")] = 5,
    mode: ModeOption = "hybrid",
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="Only passages of this kind: prose, qa, code, table, list.")
    ] = None,
    topic: Annotated[list[str] | None, typer.Option("--topic", help="Only passages with this topic.")] = None,
    source: Annotated[
        list[str] | None, typer.Option("--source", help="Only this source or folder of the library.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show what each score is made of.")] = False,
    queries: QueriesOption = None,
    reranker: RerankerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rank the passages of your library for a query."""
    from retrieval.wire import hit_json, search_json
    from ui import console

    chosen, filters = _mode(mode), _filters(kind, topic, source)
    with _open_or_build(index, reranker) as library:
        if queries is not None:
            for id_, text in _read_queries(queries):
                hits = library.search(text, k, mode=chosen, filters=filters)
                _print_json({"_id": id_, "hits": [hit_json(hit) for hit in hits]}, indent=None)
            return
        text = _given(query, "query")
        hits = library.search(text, k, mode=chosen, filters=filters)
        if as_json:
            _print_json(search_json(text, hits))
        else:
            console.print_hits(hits, explain=explain)


@command(epilog="Example: prep related regularization")
def related(
    topic: Annotated[str, typer.Argument(help="A topic: its name, or words near it.")],
    index: IndexOption = None,
    k: Annotated[int, typer.Option("--k", min=1, help="How many topics.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Show related topics, why, and the questions to practise on them."""
    from retrieval.wire import related_json
    from ui import console

    with _open_or_build(index) as library:
        found = library.find_topic(topic)
        near, questions = library.related(topic, k), library.questions(found)
        if as_json:
            _print_json(related_json(found, questions, near))
        else:
            console.print_related(found, questions, near)


@command(epilog="Example: prep topics")
def topics(index: IndexOption = None, as_json: JsonOption = False) -> None:
    """Show the topic tree of your library."""
    from retrieval.wire import topic_json
    from ui import console

    with _open_or_build(index) as library:
        if as_json:
            _print_json({"topics": [topic_json(t) for t in library.topics()]})
        else:
            console.print_topics(library.topics())


@command(name="eval", epilog="Example: prep eval --compare dense,lexical,hybrid")
def evaluate(
    gold: Annotated[
        Path | None,
        typer.Argument(
            metavar="[GOLD or BEIR DIR]",
            help="Gold questions (JSONL or CSV), a BEIR folder, or TREC qrels; none: the bundled gold.",
        ),
    ] = None,
    index: IndexOption = None,
    own: Annotated[
        bool, typer.Option("--own", help="Ask the library the questions of its own entries, their text hidden.")
    ] = False,
    queries: Annotated[
        Path | None,
        typer.Option("--queries", help="The queries of TREC qrels: JSONL, or id, tab, text.", metavar="FILE"),
    ] = None,
    k: Annotated[
        list[int] | None, typer.Option("--k", help="Cutoff of recall and precision, 1 to 20; may be repeated.")
    ] = None,
    mode: ModeOption = "hybrid",
    reranker: RerankerOption = None,
    compare: Annotated[
        str | None, typer.Option("--compare", help="Modes to compare, like dense,lexical,hybrid.", metavar="MODES")
    ] = None,
    split: Annotated[str | None, typer.Option("--split", help="dev or test; test is for reporting only.")] = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="A kept run to compare with.", metavar="FILE")
    ] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit 1 where a measure falls below the baseline.")] = False,
    save: Annotated[Path | None, typer.Option("--save", help="Keep this run as a baseline.", metavar="FILE")] = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="Write the ranking as a TREC run.", metavar="FILE.trec")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", help="A TREC run of another system to compare with.", metavar="FILE.trec"),
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write an HTML report.", metavar="FILE.html")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how well your library finds what answers a question."""
    from evals import baseline as kept
    from evals.metrics import chief_recall
    from evals.report import write_report
    from ui import console, eval_command

    if gate and baseline is None:
        raise QueryError("--gate needs --baseline FILE to compare with")
    if own and (gold or split or queries):
        raise QueryError("--own asks the library its own questions; leave out GOLD, --split and --queries")
    modes = [_mode(name.strip()) for name in compare.split(",")] if compare else [_mode(mode)]
    measures = eval_command.measures_for(k)
    task = None if own else eval_command.find_task(gold, split, queries)
    passed, lines = True, []
    with ExitStack() as opened:
        mine = opened.enter_context(_open_or_build(index, reranker))
        task = task or eval_command.own_task(mine)
        library = opened.enter_context(eval_command.library_of(task, mine))
        done = eval_command.run(task, library, modes, measures, against)
        lines += eval_command.verdicts(done)
        if baseline is not None:
            gate_lines, passed = eval_command.check_gate(done[0], baseline)
            lines += gate_lines
        if save is not None:
            kept.save(done[0], save)
        if run is not None:
            kept.write_trec(done[0], run)
        if report is not None:
            write_report(done, lines, library, task.questions, report)
    summaries = [evaluation.summary() for evaluation in done]
    if as_json:
        _print_json(summaries[0] if len(done) == 1 else {"runs": summaries, "verdicts": lines})
    else:
        console.print_evaluations(summaries, chief_recall(measures))
        for line in lines:
            console.out.print(line)
    if gate and not passed:
        print("prep: a measure fell below the baseline by more than its tolerance", file=sys.stderr)
        raise typer.Exit(1)


@command(epilog="Example: prep doctor --fix")
def doctor(
    index: IndexOption = None,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended without embedding anew.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check the index, and mend it."""
    from ingest.doctor import examine

    findings = examine(Home(index or default_home()), fix=fix)
    if as_json:
        _print_json([{"check": f.check, "ok": f.ok, "fixed": f.fixed, "detail": f.detail} for f in findings])
    else:
        for finding in findings:
            mark = "fixed" if finding.fixed else "ok   " if finding.ok else "WRONG"
            print(f"{mark}  {finding.check}: {finding.detail}")
    if any(not f.ok and not f.fixed for f in findings):
        print("prep: something is wrong with the index; the lines above say what to do", file=sys.stderr)
        raise typer.Exit(1)


@command(epilog="Example: prep status --sources")
def status(
    index: IndexOption = None,
    sources: Annotated[bool, typer.Option("--sources", help="List every source.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what is indexed, what failed and why."""
    from dataclasses import asdict

    from retrieval.manifest import Manifest
    from retrieval.status import facts, language_advice
    from ui import console

    home = Home(index or default_home())
    folder = home.current()
    manifest = Manifest.read(folder)
    if as_json:
        given = {**facts(home, folder, manifest), "advice": language_advice(manifest)}
        _print_json({**given, "sources": [asdict(r) for r in manifest.sources]})
    else:
        console.print_status(manifest, facts(home, folder, manifest), sources=sources)


@command(epilog="Example: prep adapt")
def adapt(
    index: IndexOption = None,
    keep_opened: Annotated[
        bool | None,
        typer.Option(
            "--keep-opened/--forget-opened", help="Note in the library what you open in the app, or forget it."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train the encoder on your own questions; keep the result only where it is measured to be better."""
    from retrieval import Library
    from ui import adapt_command

    with Library(Home(index or default_home())) as library:
        if keep_opened is not None:
            print(adapt_command.keep_opened(library.home.path, keep_opened), file=sys.stderr)
            return
        result = adapt_command.run(library)
    if as_json:
        _print_json(result)
    else:
        print("\n".join(adapt_command.sentences(result)))


@command(epilog="Example: prep ui --port 8600")
def ui(
    index: IndexOption = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on this machine.")] = 8501,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser window.")] = True,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; others than this machine need a login.")
    ] = "127.0.0.1",
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Ask for no login, whoever can reach the address.")
    ] = False,
) -> None:
    """Open the app in your browser, by default for this machine only."""
    from ui.login import NO_AUTH, find_login, names_of
    from ui.server import command as server

    names = names_of(host, None if no_auth else find_login(), no_auth=no_auth)
    _open_or_build(index).close()
    # The server takes this process's place, so that whatever stops `prep ui` stops it too.
    command_line = server(port, headless=not browser, host=host, names=names)
    environment = {**os.environ, "PREP_INDEX": str(index or default_home()), NO_AUTH: str(int(no_auth))}
    os.execve(command_line[0], command_line, environment)


def _open_or_build(index: Path | None, reranker: str | None = None) -> Library:
    """Open the library; where there is none yet, build that of the bundled corpus first."""
    from retrieval import Library
    from retrieval.reranker import open_reranker

    home = Home(index or default_home())
    second = open_reranker(reranker) if reranker else None
    try:
        return Library(home, reranker=second)
    except IndexMissingError:
        if index is not None and index.exists() and not index.is_dir():
            raise
    from ingest.bundled import bundled_corpus
    from ingest.pipeline import ingest as build
    from ui import console

    console.err.print(f"No index at {home.path} yet: building that of the bundled corpus (about a minute, once).")
    with console.ingest_progress() as progress:
        build(home, [bundled_corpus()], progress=progress)
    return Library(home, reranker=second)


def _filters(kinds: list[str] | None, topics: list[str] | None, sources: list[str] | None) -> Filters | None:
    from retrieval import Filters

    if not (kinds or topics or sources):
        return None
    chosen = tuple(k for k in PASSAGE_KINDS if k in (kinds or ()))
    if unknown := set(kinds or ()) - set(chosen):
        raise QueryError(f"no passage kind {', '.join(sorted(unknown))}; choose from {', '.join(PASSAGE_KINDS)}")
    return Filters(chosen, tuple(topics or ()), tuple(sources or ()))


def _mode(name: str) -> Any:
    if name not in MODES:
        raise QueryError(f"no search mode {name!r}; choose one of {', '.join(MODES)}")
    return name


def _given(text: str | None, what: str) -> str:
    if text is None:
        raise QueryError(f"no {what} given; type one in quotes, or use --queries FILE.jsonl")
    return text


def _read_queries(path: Path) -> list[tuple[str, str]]:
    from evals.gold import read_queries

    return read_queries(path)


def _print_json(value: Any, indent: int | None = 2) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=indent) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run the command line."""
    quiet()
    app()


if __name__ == "__main__":
    main()
