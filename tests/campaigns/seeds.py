"""Whole files of every format to start from: those of folders, and one each of what the tests make."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

from ingest.readers import READERS
from tests.conftest import BANK, NOTES
from tests.ingest import make_apkg, make_pdfs, test_epub, test_notebook, test_office, test_tables

_MOST_BYTES = 400_000
_HTML = (
    "<html><head><title>Notes</title></head><body><article><h1>Notes</h1><h2>{0}</h2><p>{1}</p></article></body></html>"
)
_CODE = {
    ".py": 'def push(heap, item):\n    """Add in O(log n)."""\n    heap.append(item)\n\nclass Heap:\n    n = 0\n',
    ".sql": "-- the second highest salary\nSELECT max(pay) FROM pay\nWHERE pay < (SELECT max(pay) FROM pay);\n",
}


def seeds(place: Path, *folders: Path) -> dict[str, list[bytes]]:
    """Return files by suffix, at least one for every reader; `place` takes what is made on the way."""
    place.mkdir(parents=True)
    found: dict[str, list[bytes]] = defaultdict(list)
    for file in (file for folder in folders for file in sorted(folder.rglob("*"))):
        if file.suffix.lower() in READERS and file.is_file() and file.stat().st_size < _MOST_BYTES:
            found[file.suffix.lower()].append(file.read_bytes())
    for suffix, data in _made(place).items():
        found[suffix].append(data)
    return dict(found)


def _made(place: Path) -> dict[str, bytes]:
    question, answer = "What is dropout?", "A random mask over the units of a layer. " * 8
    entry = {"question": question, "answer": answer, "tags": ["nets"], "category": "deep learning"}
    table = [["Question", "Answer"], [question, answer], ["What is recall?", "The share that is found."]]
    cards = make_apkg.collection(place, [(1, "ML::Nets", " nets ", f"{question}\x1f<b>{answer}</b>")], new=True)
    slides = test_office.deck(place, (question, [(0, answer), (1, "Inverted at training time.")]), notes=answer)
    files = {
        ".pdf": make_pdfs.drawn_lines(place / "a.pdf", [[question, answer[:80]], [answer[:60]]], title="Notes"),
        ".epub": test_epub.book(place),
        ".docx": test_office.word(place, test_office.paragraph(question, "H1"), test_office.paragraph(answer)),
        ".pptx": slides,
        ".xlsx": test_tables.workbook(place, {"Bank": table}),
        ".apkg": make_apkg.package(
            place / "a.apkg", {"collection.anki21b": make_apkg.newest(cards), "meta": b"\x08\x03"}
        ),
        ".ipynb": test_notebook.notebook(place, test_notebook.markdown(NOTES), test_notebook.code("print(1)\n" * 9)),
    }
    texts = {
        **dict.fromkeys((".md", ".markdown", ".txt"), NOTES),
        **dict.fromkeys((".html", ".htm"), _HTML.format(question, answer)),
        **dict.fromkeys((".yaml", ".yml"), BANK),
        ".csv": "".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in table),
        ".tsv": "".join("\t".join(row) + "\n" for row in table),
        ".json": json.dumps({"title": "Bank", "questions": [entry, entry]}, indent=1),
        ".jsonl": f"{json.dumps(entry)}\n" * 3,
        **_CODE,
    }
    return {s: p.read_bytes() for s, p in files.items()} | {s: text.encode() for s, text in texts.items()}
