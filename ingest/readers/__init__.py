"""One reader per format; adding a format is one module and one line here."""

from __future__ import annotations

from ingest.documents import BankReader, Reader
from ingest.readers.anki import read_anki_package
from ingest.readers.anki_text import read_text_file
from ingest.readers.bank import read_yaml_bank
from ingest.readers.code import read_python, read_sql
from ingest.readers.epub import read_epub
from ingest.readers.html import read_html
from ingest.readers.json_bank import read_json_bank, read_json_lines_bank
from ingest.readers.markdown import read_markdown
from ingest.readers.notebook import read_notebook
from ingest.readers.office import read_slides, read_word
from ingest.readers.pdf import read_pdf
from ingest.readers.tables import read_delimited, read_excel

BANK_READERS: dict[str, BankReader] = {
    ".yaml": read_yaml_bank,
    ".yml": read_yaml_bank,
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".xlsx": read_excel,
    ".json": read_json_bank,
    ".jsonl": read_json_lines_bank,
}

READERS: dict[str, Reader] = {
    **BANK_READERS,
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".txt": read_text_file,
    ".pdf": read_pdf,
    ".ipynb": read_notebook,
    ".html": read_html,
    ".htm": read_html,
    ".docx": read_word,
    ".pptx": read_slides,
    ".epub": read_epub,
    ".apkg": read_anki_package,
    ".py": read_python,
    ".sql": read_sql,
}
