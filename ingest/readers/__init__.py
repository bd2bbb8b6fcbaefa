"""One reader per format; adding a format is one module and one line here."""

from __future__ import annotations

from ingest.documents import Reader
from ingest.readers.bank import read_yaml_bank
from ingest.readers.markdown import read_markdown
from ingest.readers.pdf import read_pdf
from ingest.readers.text import read_plain_text

READERS: dict[str, Reader] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".txt": read_plain_text,
    ".pdf": read_pdf,
    ".yaml": read_yaml_bank,
    ".yml": read_yaml_bank,
}
