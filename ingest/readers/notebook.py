"""Jupyter notebooks laid out as Markdown: text and code cells in order, of outputs only short text.

The last element of a heading path says the cells, counted from the top of the notebook.
Short cells share a number ("Cells 3-5"), because a passage is made of several of them and
has to say where it stands.
"""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ingest.decode import read_text, storable
from ingest.documents import Block, Document, QuestionEntry
from ingest.readers.markdown import parse_markdown
from ingest.runs import run_name, runs
from retrieval.errors import ReadError

_OUTPUT_CHARACTERS = 600
_OUTPUT_LINES = 12
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$")
_EMBEDDED = re.compile(r"data:[a-z]+/[\w.+-]+;base64,[A-Za-z0-9+/=]*")
_COLORS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_OBJECT = re.compile(r"^<.*>$", re.S)  # "<Figure size 640x480 with 1 Axes>" says nothing
_TITLED = re.compile(r"^ {0,3}#{1,6}[ \t]", re.M)


@dataclass(frozen=True, slots=True)
class _Cell:
    number: int
    text: str
    opens: bool  # a heading stands in it: cells after it are not joined with those before


def read_notebook(path: Path) -> Document:
    """Read a notebook of format 3 or 4. Raises ReadError where the file is none."""
    try:
        notebook = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ReadError(f"{path.name}: not a notebook ({reason}); open it in Jupyter and save it again") from error
    cells = list(_cells(notebook))
    if not cells and not (isinstance(notebook, Mapping) and ("cells" in notebook or "worksheets" in notebook)):
        raise ReadError(f"{path.name}: not a notebook (no list of cells); open it in Jupyter and save it again")
    starts: list[int] = []
    position = 0
    for cell in cells:
        starts.append(position)
        position += len(cell.text) + 2
    document = parse_markdown("\n\n".join(cell.text for cell in cells), path.stem)
    groups = runs([len(cell.text) for cell in cells], [cell.opens for cell in cells])

    def block(made: Block) -> Block:
        first, last = (cells[n].number for n in groups[bisect.bisect_right(starts, made.span[0]) - 1])
        name = run_name("Cell", first, last)
        return made if made.kind == "heading" else replace(made, heading=(*made.heading, name))

    def entry(made: QuestionEntry) -> QuestionEntry:
        first, last = (cells[bisect.bisect_right(starts, at) - 1].number for at in (made.span[0], made.span[1] - 1))
        return replace(made, heading=(*made.heading, run_name("Cell", first, last)))

    return replace(
        document,
        blocks=tuple(block(b) for b in document.blocks),
        entries=tuple(entry(e) for e in document.entries),
        line_starts=None,
    )


def _cells(notebook: Any) -> Iterator[_Cell]:
    """Yield the cells that hold text, as Markdown, with their numbers."""
    notebook = notebook if isinstance(notebook, Mapping) else {}
    sheets = notebook.get("worksheets")
    listed = [s.get("cells") for s in sheets if isinstance(s, Mapping)] if isinstance(sheets, list) else []
    raw = [cell for group in (notebook.get("cells"), *listed) if isinstance(group, list) for cell in group]
    language = _language(notebook)
    for number, cell in enumerate(raw, start=1):
        if not isinstance(cell, Mapping):
            continue
        source = _string(cell.get("source", cell.get("input"))).strip("\r\n")
        kind = cell.get("cell_type")
        if kind == "code" and source.strip():
            parts = [_fenced(source, str(cell.get("language") or language)), *_outputs(cell.get("outputs"))]
            yield _Cell(number, "\n\n".join(parts), opens=False)
        elif kind == "markdown" and (text := _closed(_EMBEDDED.sub("", source))).strip():
            yield _Cell(number, text, opens=bool(_TITLED.search(text)))
        elif kind == "heading" and source.strip():  # format 3
            level = cell.get("level")
            marks = "#" * (level if isinstance(level, int) and 1 <= level <= 6 else 1)
            yield _Cell(number, f"{marks} {' '.join(source.split())}", opens=True)


def _outputs(outputs: Any) -> Iterator[str]:
    for output in outputs if isinstance(outputs, list) else ():
        if not isinstance(output, Mapping) or output.get("name", output.get("stream")) == "stderr":
            continue
        data = output.get("data", output)
        if not isinstance(data, Mapping) or output.get("output_type") in ("error", "pyerr"):
            continue
        text = _COLORS.sub("", _string(data.get("text/plain", data.get("text")))).strip("\r\n").rstrip()
        short = len(text) <= _OUTPUT_CHARACTERS and text.count("\n") < _OUTPUT_LINES
        if text.strip() and short and not _OBJECT.match(text):
            yield _fenced(text, "text")


def _fenced(text: str, language: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{re.sub(r'[^A-Za-z0-9+#-]', '', language)}\n{text}\n{fence}"


def _closed(text: str) -> str:
    """Return Markdown with an open fence closed, so that it ends with its cell."""
    fence = ""
    for line in text.splitlines():
        if match := _FENCE.match(line):
            if not fence:
                fence = match[1]
            elif match[1].startswith(fence) and not match[2].strip():
                fence = ""
    return f"{text}\n{fence}" if fence else text


def _language(notebook: Mapping[str, Any]) -> str:
    metadata = notebook.get("metadata")
    for key, name in (("language_info", "name"), ("kernelspec", "language")):
        value = metadata.get(key) if isinstance(metadata, Mapping) else None
        if isinstance(value, Mapping) and isinstance(value.get(name), str):
            return str(value[name])
    return "python"


def _string(value: Any) -> str:
    if isinstance(value, list):
        value = "".join(line for line in value if isinstance(line, str))
    return storable(value) if isinstance(value, str) else ""
