"""The MCP server through the SDK's own client: in-process, over stdio and over HTTP."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from retrieval import Library
from retrieval.store import Home
from retrieval.wire import answer_json, search_json
from tests.retrieval.test_llm import unused_port
from tests.test_cli import environment
from ui.mcp_server import build

Talk = Callable[[Client], Awaitable[Any]]


def talk(server: Any, conversation: Talk) -> Any:
    async def run() -> Any:
        async with Client(server) as client:
            return await conversation(client)

    # A thread of its own: browser tests before this one leave their event loop running in the first.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, run()).result()


async def call(client: Client, name: str, **arguments: Any) -> Any:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    return json.loads(result.content[0].text)


async def first_words(client: Client) -> Any:
    """What an assistant does: look at the tools, ask, read on."""
    names = {tool.name for tool in (await client.list_tools()).tools}
    found = await call(client, "search", query="dropout", k=2)
    passage = await call(client, "read_passage", passage_id=found["hits"][0]["passage_id"], context=40)
    asked = await call(client, "ask", question="What does dropout do?")
    near = await call(client, "related", topic="regularization")
    return names, found, passage, asked, near


def check_first_words(said: Any, library: Library) -> None:
    names, found, passage, asked, near = said
    assert names == {"search", "ask", "related", "read_passage"}
    assert found == search_json("dropout", library.search("dropout", 2))
    assert asked == answer_json(library.ask("What does dropout do?"))
    assert near["topic"]["name"] == "Regularization"
    source = library.text(passage["source"]["path"])
    assert passage["before"] + passage["text"] + passage["after"] in source
    assert passage["text"] == found["hits"][0]["text"]


def test_tools_give_the_json_of_the_command_line(library: Library) -> None:
    """This test ensures that search, ask, related and read_passage answer with the one shape there is."""
    check_first_words(talk(build(library), first_words), library)


def test_tools_only_read(library: Library) -> None:
    """This test ensures that an assistant is told that no tool changes anything."""

    async def look(client: Client) -> Any:
        return [tool.annotations.read_only_hint for tool in (await client.list_tools()).tools if tool.annotations]

    assert talk(build(library), look) == [True] * 4


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("search", {"query": " "}, "the question is empty"),
        ("search", {"query": "dropout", "k": 5000}, "from 1 to 50"),
        ("ask", {"question": ""}, "the question is empty"),
        ("read_passage", {"passage_id": "nope"}, "no passage 'nope'"),
        ("related", {"topic": ""}, "name a topic"),
    ],
)
def test_a_wrong_call_is_told_to_the_assistant(
    library: Library, name: str, arguments: dict[str, Any], words: str
) -> None:
    """This test ensures that an error of a tool is a sentence the assistant can act on, and the server lives on."""

    async def wrong(client: Client) -> Any:
        result = await client.call_tool(name, arguments)
        await call(client, "search", query="dropout")
        return result

    result = talk(build(library), wrong)
    assert result.is_error
    assert words in result.content[0].text


def test_stdio_serves_an_assistant(library: Library, home: Home) -> None:
    """This test ensures that `prep mcp` speaks the protocol on stdout and nothing else there."""
    command = StdioServerParameters(command=sys.executable, args=["-m", "ui.cli", "mcp"], env=environment(home))
    check_first_words(talk(command, first_words), library)


@pytest.fixture
def address(library: Library, home: Home) -> Iterator[str]:
    """`prep mcp --http` on a free port of this machine."""
    port = unused_port()
    command = [sys.executable, "-m", "ui.cli", "mcp", "--http", "--port", str(port)]
    process = subprocess.Popen(command, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/nothing", timeout=5)
            except urllib.error.HTTPError:
                break
            except OSError:
                assert process.poll() is None
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.communicate(timeout=30)


def refused(address: str, **headers: str) -> int:
    """Return the status of an initialize request with these headers."""
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "page", "version": "1"},
        },
    }
    all_headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **headers}
    request = urllib.request.Request(address, json.dumps(body).encode(), all_headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_http_serves_this_machine_and_refuses_other_origins(address: str, library: Library) -> None:
    """This test ensures that the SDK's client works over HTTP, and that a web page or a rebound name does not."""
    check_first_words(talk(address, first_words), library)
    assert refused(address) == 200
    assert refused(address, Origin=address.removesuffix("/mcp")) == 200
    assert refused(address, Origin="https://evil.example") == 403
    assert refused(address, Origin="null") == 403
    assert refused(address, Host="evil.example") == 421
