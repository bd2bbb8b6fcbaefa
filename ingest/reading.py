"""One file to the passages it gives: its reader, then the chunker. What a worker process does for each file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ingest.chunk import chunk
from ingest.decode import storable
from ingest.documents import Columns, Document
from ingest.language import language_of
from ingest.readers import BANK_READERS, READERS
from retrieval.errors import ReadError
from retrieval.types import Passage
from retrieval.word_pieces import WordPieces

MAX_FILE_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Task:
    """A file to read, its path in the library, and the columns of a bank that were named by hand."""

    file: Path
    path: str
    columns: Columns = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file gave: its passages, and its document without the blocks they were made of."""

    document: Document
    passages: tuple[Passage, ...]
    language: str | None


def read_passages(task: Task, pieces: WordPieces) -> Reading:
    """Read and chunk a file. Raises ReadError, in one sentence, for whatever is wrong with it but lack of memory."""
    name = task.file.name
    try:
        if (size := task.file.stat().st_size) > MAX_FILE_BYTES:
            raise ReadError(f"{name}: {size / 2**20:.0f} MB, the limit is {MAX_FILE_BYTES // 2**20} MB; split the file")
        document = _read(task)
        document = replace(document, title=storable(document.title))  # it may be the name of the file
        passages = chunk(document, task.path, pieces.count_tokens, pieces.max_tokens)
    except OSError as error:
        raise ReadError(f"{name}: cannot be read ({error.strerror or error}); check its permissions") from error
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        # Readers meet whatever people keep; what no reader foresaw must not end the run.
        raise ReadError(
            f"{name}: cannot be read ({type(error).__name__}: {error}); please report this file's shape"
        ) from error
    slim = replace(document, blocks=(), entries=(), line_starts=None)
    return Reading(slim, tuple(passages), language_of(passages))


def _read(task: Task) -> Document:
    suffix = task.file.suffix.lower()
    bank = BANK_READERS.get(suffix)
    return bank(task.file, task.columns) if bank else READERS[suffix](task.file)
