"""Commands that show passages and topics."""

from __future__ import annotations

from typing import Annotated

import typer

from ui.options import (
    EMPTY,
    ChromaOption,
    IndexOption,
    JsonOption,
    KindOption,
    ModeOption,
    QueriesOption,
    RerankerOption,
    SourceOption,
    TopicOption,
    asked,
    command,
    filters_of,
    mode_of,
    open_or_build,
    print_json,
)

app = typer.Typer()


@command(app, epilog="Example: prep search 'vanishing gradients' --k 3 --explain")
def search(
    query: Annotated[str | None, typer.Argument(help="What to look for.")] = None,
    index: IndexOption = None,
    chroma: ChromaOption = None,
    k: Annotated[int, typer.Option("--k", min=1, max=1000, help="How many passages.")] = 5,
    mode: ModeOption = "hybrid",
    kind: KindOption = None,
    topic: TopicOption = None,
    source: SourceOption = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show what each score is made of.")] = False,
    queries: QueriesOption = None,
    reranker: RerankerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rank the passages of your library for a query."""
    from retrieval.wire import hit_json, search_json
    from ui import console

    chosen, filters = mode_of(mode), filters_of(kind, topic, source)
    text, many = asked(query, queries, "query")
    with open_or_build(index, chroma, reranker) as library:
        if queries is not None:
            for id_, text in many:
                hits = library.search(text, k, mode=chosen, filters=filters) if text.strip() else []
                found = {"_id": id_, "hits": [hit_json(hit) for hit in hits]}
                print_json(found if text.strip() else found | {"error": EMPTY}, indent=None)
            return
        hits = library.search(text, k, mode=chosen, filters=filters)
        if as_json:
            print_json(search_json(text, hits))
        else:
            console.print_hits(hits, explain=chosen if explain else None)


@command(app, epilog="Example: prep related regularization")
def related(
    topic: Annotated[str, typer.Argument(help="A topic: its name, or words near it.")],
    index: IndexOption = None,
    chroma: ChromaOption = None,
    k: Annotated[int, typer.Option("--k", min=1, help="How many topics.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Show related topics, why, and the questions to practise on them."""
    from retrieval.wire import related_json
    from ui import console

    with open_or_build(index, chroma) as library:
        found = library.find_topic(topic)
        if library.topic_tree.find(topic) is None:
            console.err.print(console.shown(f"nearest topic to {topic!r}: {found.name}"))
        near, questions = library.related(found.id, k), library.questions(found)
        if as_json:
            print_json(related_json(found, questions, near))
        else:
            console.print_related(found, questions, near)


@command(app, epilog="Example: prep topics")
def topics(index: IndexOption = None, chroma: ChromaOption = None, as_json: JsonOption = False) -> None:
    """Show the topic tree of your library."""
    from retrieval.wire import topic_json
    from ui import console

    with open_or_build(index, chroma) as library:
        if as_json:
            print_json({"topics": [topic_json(t) for t in library.topics()]})
        else:
            console.print_topics(library.topics())
