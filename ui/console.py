"""What the `prep` command prints for people: answers, hits, tables. Results go to stdout, progress to stderr."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from textwrap import indent
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ingest.decode import message
from retrieval.manifest import Manifest
from retrieval.status import language_advice
from retrieval.text import one_line
from retrieval.types import Answer, Hit, Locator, Mode, Related, Sentence, Topic
from ui.logic import code_of, is_plain

if TYPE_CHECKING:  # the readers of all formats stand behind these; a question needs none of them
    from ingest.pipeline import Report
    from ingest.writer import Progress as Step

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

_LONGEST = 320  # characters of a hit
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tabs and new lines
_STAGES = {
    "read": "Reading files",
    "encode": "Embedding passages",
    "write": "Writing the index",
    "answer": "Answering the questions",
}


def shown(text: str, style: str = "") -> Text:
    """Return text of a document as it is shown, without markup and without controls."""
    return Text(clean(text), style=style)


def clean(text: str) -> str:
    """Replace the controls that a terminal would obey."""
    return _CONTROLS.sub("\ufffd", text)


def place(locator: Locator) -> str:
    """Return "path > heading, lines 12-30" or "path > heading, page 4"."""
    where = message(locator.path)
    if locator.heading:
        where += " > " + " > ".join(clean(name) for name in locator.heading)
    if locator.page is not None:
        return f"{where}, page {locator.page}"
    if locator.lines:
        first, last = locator.lines
        return f"{where}, line {first}" if first == last else f"{where}, lines {first}-{last}"
    return where


def print_answer(answer: Answer, text_of: Callable[[str], str]) -> None:
    """Print an answer in quotes; `text_of` gives the text of a source, which tells the code in it."""
    if not answer.answered:
        out.print("[yellow]Your library does not cover this[/] " + f"[dim](confidence {answer.confidence:.2f})[/]")
        if answer.nearest_topics:
            out.print("Nearest topics: " + escape(clean(", ".join(answer.nearest_topics))))
        if answer.hits:
            out.print(f"[dim]Closest passage: {escape(place(answer.hits[0].passage.locator))}[/]")
        return
    out.print()
    previous: Locator | None = None
    quotes = {c.n: c for c in answer.citations}
    for sentence in answer.sentences:
        locator = quotes[sentence.citations[0]].locator
        marks = "".join(f"[{n}]" for n in sentence.citations)
        text = shown(_readable(sentence.text, locator, text_of(locator.path)))
        text.append(f" {marks}", style="cyan")
        if previous is not None and (previous.path, previous.heading) != (locator.path, locator.heading):
            out.print()
        out.print(text)
        previous = locator
    print_sources(answer)


def print_written(sentence: Sentence) -> None:
    """Print a sentence of a model with its numbers; what is not supported is struck or named weak, with the reason."""
    text = shown(sentence.text, "strike" if sentence.mark == "unsupported" else "")
    text.append("".join(f" [{n}]" for n in sentence.citations), style="not strike cyan")
    if sentence.mark != "supported":
        text.append(f" ({sentence.mark}: {clean(sentence.why)})", style="not strike yellow")
    out.print(text)


def print_sources(answer: Answer) -> None:
    """Print where the quotes of an answer stand, and its confidence."""
    out.print()
    for citation in answer.citations:
        out.print(Text(f"[{citation.n}] ", style="cyan") + Text(place(citation.locator)))
    if answer.writing and answer.writing.missing:
        out.print(shown(f"Not in the passages: {answer.writing.missing}", "yellow"))
    out.print(f"[dim]confidence {answer.confidence:.2f}[/]")


def print_hits(hits: Sequence[Hit], *, explain: Mode | None = None) -> None:
    """Print hits, with what each score is made of where `explain` names the mode that they were found in."""
    if not hits:
        out.print("Nothing found.")
    for hit in hits:
        out.print(
            Text(f"{hit.rank}. ", style="bold")
            + Text(place(hit.passage.locator), style="cyan")
            + Text(f"  {hit.score:.3f}", style="dim")
        )
        if explain:
            out.print(
                f"   [dim]{_parts(hit, explain)}; {hit.passage.kind}"
                + (f"; rank {hit.before} before reranking" if hit.before else "")
                + (f"; also at {escape(', '.join(place(a) for a in hit.also))}" if hit.also else "")
                + "[/]"
            )
        text = _on_one_line(hit.passage.text, hit.passage.locator)
        out.print(shown(indent(text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "...", "   ")))


def _parts(hit: Hit, mode: Mode) -> str:
    """Say what was summed to a score in a mode; a reranker's score has no parts."""
    dense, lexical = f"cosine {hit.scores.dense:.3f}", f"lexical {hit.scores.lexical:.3f}"
    if mode != "hybrid":
        place = f" {hit.scores.settled:+.3f} for its place" if hit.scores.settled and not hit.before else ""
        return (dense if mode == "dense" else lexical) + place
    if hit.before:
        return f"{dense}, {lexical}"
    given = hit.score - hit.scores.dense - hit.scores.settled
    return f"{dense} + {given:.3f} for {lexical} {hit.scores.settled:+.3f} for names and places"


def print_related(topic: Topic, questions: Sequence[str], related: Sequence[Related]) -> None:
    if questions:
        out.print(shown(f"Practise on {topic.name}", "bold"))
        for question in questions:
            out.print(shown(f"    {question}"))
    out.print(shown(f"Related to {topic.name}", "bold"))
    for item in related:
        out.print(shown(f"- {item.topic.name}", "cyan") + shown(f"  {'; '.join(item.reasons)}", "dim"))
        for question in item.questions:
            out.print(shown(f"    {question}"))


def print_topics(topics: Sequence[Topic]) -> None:
    """Print areas with their guides and categories under them; sections and tags are counted only."""
    children: dict[str | None, list[Topic]] = {}
    for topic in topics:
        if topic.kind in ("area", "guide", "category"):
            children.setdefault(topic.parent, []).append(topic)
    for root in children.get(None, []):
        out.print(shown(root.name, "bold") + Text(f"  {len(root.passages)} passages", style="dim"))
        for child in children.get(root.id, []):
            out.print(shown(f"  {child.name}") + Text(f"  {len(child.passages)}", style="dim"))
    hidden = {kind: sum(t.kind == kind for t in topics) for kind in ("section", "tag")}
    out.print(f"[dim]and {hidden['section']} sections, {hidden['tag']} tags[/]")


def changes(report: Report) -> str:
    """Return "2 new, 1 removed" or "no files"."""
    counts = {
        "new": len(report.new),
        "changed": len(report.changed),
        "moved": len(report.moved),
        "removed": len(report.removed),
        "unchanged": report.unchanged,
    }
    return ", ".join(f"{n} {name}" for name, n in counts.items() if n) or "no files"


def totals(report: Report) -> str:
    return f"{report.passages} passages, {report.encoded} texts embedded, {report.seconds:.1f} s"


def print_report(report: Report) -> None:
    err.print(changes(report))
    for path, why in report.failed:
        err.print(Text("failed  ", style="red") + Text(message(f"{path}: {why}")))
    if report.skipped:
        err.print(f"[dim]{len(report.skipped)} files are no material (see: prep status --sources)[/]")
    if report.warnings:
        err.print(f"[dim]{len(report.warnings)} notes on files (see: prep status --sources)[/]")
    err.print(totals(report))


def print_status(manifest: Manifest, facts: dict[str, Any], *, sources: bool) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), shown(str(value)))
    out.print(table)
    if advice := language_advice(manifest):
        out.print(shown(advice, "yellow"))
    for record in manifest.failures():
        out.print(Text("failed  ", style="red") + Text(message(f"{record.path}: {record.error}")))
    if sources:
        for record in manifest.sources:
            note = (
                record.error
                or record.skipped
                or (f"same as {record.same_as}" if record.same_as else "; ".join(record.warnings))
            )
            out.print(
                Text(f"{record.passages:6d}  {record.kind:6s}  {message(record.path)}")
                + shown(f"  {note}" if note else "", "dim")
            )


def print_evaluations(runs: Sequence[dict[str, Any]], chief: str) -> None:
    """Show the summaries of runs on one dataset side by side, and `chief`, a measure, by slice."""
    first = runs[0]
    _measure_table(
        f"{escape(clean(first['dataset']))}: {first['queries']} queries",
        "measure",
        {name: [run["metrics"][name] for run in runs] for name in first["metrics"]},
        [run["mode"] for run in runs],
    )
    if len(first["by_slice"]) > 1:
        rows = {
            f"{escape(clean(s))} ({row['queries']})": [run["by_slice"][s][chief] for run in runs]
            for s, row in first["by_slice"].items()
        }
        _measure_table(chief, "slice", rows, [run["mode"] for run in runs])
    if "answers" in first:
        a = first["answers"]
        out.print(
            f"answers to {a['questions']} questions: gold contained {a['containment']['mean']:.3f}, "
            f"citation precision {a['citation_precision']['mean']:.3f} over {a['answered']} answered"
        )
    if "citing" in first:
        _print_citing(first["citing"])
    if "declining" in first:
        _print_declining(first["declining"])
    for run in runs:
        if times := run["latency_ms"]:
            told = ", ".join(f"{name} {value:.0f} ms" for name, value in times.items())
            out.print(f"[dim]latency of {escape(run['mode'])}: {told}[/]")


def _measure_table(title: str, label: str, rows: dict[str, list[dict[str, Any]]], columns: Sequence[str]) -> None:
    table = Table(title=title, title_justify="left")
    table.add_column(label)
    for name in columns:
        table.add_column(escape(name), justify="right")
    for name, cells in rows.items():
        table.add_row(name, *(f"{c['mean']:.3f} [dim]{c['ci95'][0]:.2f}-{c['ci95'][1]:.2f}[/]" for c in cells))
    out.print(table)


def _print_citing(found: dict[str, Any]) -> None:
    by = (
        f"{found['written']} written by {found['model']}, {found['fallbacks']} fell back"
        if found["model"]
        else "quoted"
    )
    tokens = found["tokens"]
    spent = f"; {tokens['prompt']:,} tokens read, {tokens['reply']:,} written" if tokens else ""
    out.print(
        f"citations of {found['answers']} answers ({escape(by)}): recall {found['recall']['mean']:.3f}, precision "
        f"{found['precision']['mean']:.3f}; half took under {found['seconds']['p50']:.2f} s, 95 % under "
        f"{found['seconds']['p95']:.2f} s{spent}"
    )


def _print_declining(found: dict[str, Any]) -> None:
    out.print(
        f"declining: AUROC {found['auroc']:.3f}, precision {found['precision']:.1%}, recall {found['recall']:.1%} of "
        f"{found['unanswerable']} unanswerable; answered {found['answered']:.1%} of {found['answerable']} answerable"
    )
    table = Table(title="confidence", title_justify="left")
    for name in ("mean confidence", "answerable", "questions"):
        table.add_column(name, justify="right")
    for row in found["reliability"]:
        table.add_row(f"{row['confidence']:.2f}", f"{row['answerable']:.2f}", str(row["questions"]))
    out.print(table)


class _Rate(ProgressColumn):
    """How many are done in a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.0f}/s" if task.speed else "", style="progress.data.speed")


@contextmanager
def ingest_events() -> Iterator[Step]:
    """Tell every step as one line of JSON on stderr: stage, done, total, seconds since the start."""
    started = time.monotonic()

    def step(stage: str, done: int, total: int) -> None:
        event = {"stage": stage, "done": done, "total": total, "seconds": round(time.monotonic() - started, 2)}
        print(json.dumps(event), file=sys.stderr, flush=True)

    yield step


@contextmanager
def ingest_progress() -> Iterator[Step]:
    """Show progress bars on stderr while a terminal is there to show them."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal) as bars:
        tasks: dict[str, Any] = {}

        def step(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(_STAGES[stage], total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield step


def _readable(text: str, locator: Locator, source: str) -> str:
    """Return a quote for the terminal: prose on one line without marks, code and tables as they stand."""
    if code_of(locator.path, source, locator.span) is not None:
        return text
    as_it_stands = not is_plain(locator.path) and text.lstrip().startswith(("```", "~~~", "|", "$$"))
    return text if as_it_stands else _on_one_line(text, locator)


def _on_one_line(text: str, locator: Locator) -> str:
    """Return a text on one line, without marks where it is Markdown; that of a source file keeps its lines."""
    if code_of(locator.path, "", locator.span) is not None:
        return text
    return " ".join(text.split()) if is_plain(locator.path) else one_line(text)
