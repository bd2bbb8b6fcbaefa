"""Commands that answer: ask, chat, the language model, the server for assistants."""

from __future__ import annotations

from typing import Annotated

import typer

from ui.options import (
    EMPTY,
    ChromaOption,
    IndexOption,
    JsonOption,
    KindOption,
    LlmOption,
    QueriesOption,
    RerankerOption,
    SourceOption,
    TopicOption,
    asked,
    command,
    filters_of,
    open_or_build,
    print_json,
)

app = typer.Typer()


@command(app, epilog='Example: prep ask "When do I prefer L1 over L2?"')
def ask(
    question: Annotated[str | None, typer.Argument(help="Your question, in your own words.")] = None,
    index: IndexOption = None,
    chroma: ChromaOption = None,
    queries: QueriesOption = None,
    reranker: RerankerOption = None,
    kind: KindOption = None,
    topic: TopicOption = None,
    source: SourceOption = None,
    llm: LlmOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question from your library, every sentence with its source."""
    from retrieval.types import Answer
    from retrieval.wire import answer_json
    from ui import llm_command, model_choice

    filters = filters_of(kind, topic, source)
    text, many = asked(question, queries, "question")
    model = model_choice.configured(llm)
    with open_or_build(index, chroma, reranker) as library:
        if queries is not None:
            for id_, text in many:
                if text.strip():
                    said = answer_json(llm_command.answer(library, model, text, filters))
                else:
                    said = answer_json(Answer(text, answered=False, confidence=0.0)) | {"error": EMPTY}
                print_json({"_id": id_, **said}, indent=None)
            return
        if as_json:
            print_json(answer_json(llm_command.answer(library, model, text, filters)))
        else:
            llm_command.show(library, model, text, filters)


@command(app, epilog="Example: prep chat")
def chat(index: IndexOption = None, chroma: ChromaOption = None, llm: LlmOption = None) -> None:
    """Ask question after question; a follow-up is searched as a question that stands alone."""
    from ui import chat_command, model_choice

    model = model_choice.configured(llm)
    with open_or_build(index, chroma) as library:
        chat_command.converse(library, model)


@command(app, epilog="Example: prep llm")
def llm(as_json: JsonOption = False) -> None:
    """Show which language models answer at PREP_LLM_URL, and try the one that would write."""
    from ui import llm_command

    found = llm_command.examine()
    if as_json:
        print_json(found)
    else:
        llm_command.print_examined(found)


@command(app, epilog="Example: prep mcp")
def mcp(
    index: IndexOption = None,
    chroma: ChromaOption = None,
    http: Annotated[bool, typer.Option("--http", help="Serve streamable HTTP on 127.0.0.1 and not stdio.")] = False,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on this machine, with --http.")] = 8600,
) -> None:
    """Offer your library to an assistant over the Model Context Protocol."""
    from ui import mcp_server

    with open_or_build(index, chroma) as library:
        mcp_server.serve(library, port=port if http else None)
