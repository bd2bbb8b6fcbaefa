"""The command that opens the app."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from retrieval.errors import IndexMissingError
from retrieval.library import default_home
from ui.options import ChromaOption, IndexOption, command, open_or_build
from ui.stores import CHROMA

app = typer.Typer()


@command(app, epilog="Example: prep ui --port 8600")
def ui(
    index: IndexOption = None,
    chroma: ChromaOption = None,
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
    from ui.login import LOGIN, NO_AUTH, find_login, names_of
    from ui.model_choice import configured
    from ui.server import command as server

    configured()  # what is set wrongly is told here, and not on a page
    login = None if no_auth else find_login()
    names = names_of(host, login, no_auth=no_auth)
    try:
        open_or_build(index, chroma).close()
    except IndexMissingError:
        if not chroma:
            raise
        # A server may be empty: its editors fill it from the app.
    # The server takes this process's place, so that whatever stops `prep ui` stops it too.
    command_line = server(port, headless=not browser, host=host, names=names)
    environment = {
        **os.environ,
        "PREP_INDEX": str(index or default_home()),
        CHROMA: chroma or "",
        NO_AUTH: str(int(no_auth)),
        LOGIN: str(login.file) if login else "",
    }
    os.execve(command_line[0], command_line, environment)
