"""Commands that make, check and show the index."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ui.options import ChromaOption, IndexOption, JsonOption, command, print_json, store_at

app = typer.Typer()


@command(app, epilog="Example: prep ingest ~/notes")
def ingest(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH...]", help="Files or folders; none: the bundled corpus.")
    ] = None,
    index: IndexOption = None,
    chroma: ChromaOption = None,
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
    events: Annotated[bool, typer.Option("--events", help="Progress as lines of JSON on stderr.")] = False,
    wait: Annotated[float, typer.Option("--wait", help="Seconds to wait for another writer.")] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Build or update the index from your files."""
    from dataclasses import asdict

    from ingest import pipeline
    from ui import console, ingest_command

    named = ingest_command.columns_of(columns)
    if remove and (paths or watch or rebuild or dry_run):
        raise typer.BadParameter("--remove goes alone; ingest in a command of its own")
    if watch and dry_run:
        raise typer.BadParameter("--watch and --dry-run exclude each other; leave one out")
    home = store_at(index, chroma)
    if not remove:
        model = ingest_command.model_for(home, model, rebuild=rebuild)
    roots = [] if remove else ingest_command.roots_for(home, paths or [], known=rebuild or watch)
    with console.ingest_events() if events else console.ingest_progress() as progress:
        if remove:
            report = pipeline.remove(home, remove, wait=wait, progress=progress)
        else:
            report = pipeline.ingest(
                home, roots, model=model, rebuild=rebuild, dry_run=dry_run, columns=named, wait=wait, progress=progress
            )
    if as_json:
        print_json(asdict(report))
    else:
        console.print_report(report)
    if watch:
        ingest_command.watch(home, roots, named, as_json=as_json)
    if report.failed and not dry_run and report.nothing_indexed:
        print("prep: nothing could be indexed; the lines above say why", file=sys.stderr)
        raise typer.Exit(1)


@command(app, epilog="Example: prep status --sources")
def status(
    index: IndexOption = None,
    chroma: ChromaOption = None,
    sources: Annotated[bool, typer.Option("--sources", help="List every source.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what is indexed, what failed and why."""
    from dataclasses import asdict

    from retrieval.manifest import Manifest
    from retrieval.status import facts, language_advice
    from ui import console

    home = store_at(index, chroma)
    folder = home.current()
    manifest = Manifest.read(folder)
    if as_json:
        given = {**facts(home, folder, manifest), "advice": language_advice(manifest)}
        print_json({**given, "sources": [asdict(r) for r in manifest.sources]})
    else:
        console.print_status(manifest, facts(home, folder, manifest), sources=sources)


@command(app, epilog="Example: prep doctor --fix")
def doctor(
    index: IndexOption = None,
    chroma: ChromaOption = None,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended without embedding anew.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check the index, and mend it."""
    from ingest.decode import message
    from ingest.doctor import examine

    findings = examine(store_at(index, chroma), fix=fix)
    if as_json:
        print_json([{"check": f.check, "ok": f.ok, "fixed": f.fixed, "detail": f.detail} for f in findings])
    else:
        for finding in findings:
            mark = "fixed" if finding.fixed else "ok   " if finding.ok else "WRONG"
            print(f"{mark}  {finding.check}: {message(finding.detail)}")
    if any(not f.ok and not f.fixed for f in findings):
        print("prep: something is wrong with the index; the lines above say what to do", file=sys.stderr)
        raise typer.Exit(1)


@command(app, epilog="Example: prep adapt")
def adapt(
    index: IndexOption = None,
    chroma: ChromaOption = None,
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

    with Library(store_at(index, chroma)) as library:
        if keep_opened is not None:
            print(adapt_command.keep_opened(library.home.path, keep_opened), file=sys.stderr)
            return
        result = adapt_command.run(library)
    if as_json:
        print_json(result)
    else:
        print("\n".join(adapt_command.sentences(result)))


@command(app, name="export", epilog="Example: prep export library.prep")
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it; a file of that name is replaced.")],
    index: IndexOption = None,
    chroma: ChromaOption = None,
) -> None:
    """Write the whole library, vectors and all, into one file."""
    from ingest.transfer import export_library

    manifest = export_library(store_at(index, chroma), file)
    size = file.stat().st_size / 2**20
    print(f"{file}: {manifest.passages} passages of {len(manifest.sources)} files, {size:.1f} MB", file=sys.stderr)


@command(app, name="import", epilog="Example: prep import library.prep --chroma http://localhost:8000")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that prep export wrote.")],
    index: IndexOption = None,
    chroma: ChromaOption = None,
    wait: Annotated[float, typer.Option("--wait", help="Seconds to wait for another writer.")] = 0.0,
) -> None:
    """Put the library in a file in the place of the one there is."""
    from ingest.transfer import import_library

    store = store_at(index, chroma)
    manifest = import_library(store, file, wait=wait)
    print(f"{store.place}: {manifest.passages} passages of {len(manifest.sources)} files", file=sys.stderr)
