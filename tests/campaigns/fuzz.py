"""Mutated real files of every format through the worker that reads them.

Run it: `python -m tests.campaigns.fuzz [FILES] [SEED] [FOLDER]`.
Each file must come back as passages, or as one sentence that begins with its name; nothing may
end the run. Seeds are the files of the bundled corpus, of FOLDER, and of the kinds that the tests make.
"""

from __future__ import annotations

import io
import random
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ingest.bundled import bundled_corpus
from ingest.readers import READERS
from ingest.reading import Reading, Task
from ingest.workers import Workers
from retrieval.library import quiet
from retrieval.models import DEFAULT_MODEL, find_model
from tests.campaigns.seeds import seeds

VERDICTS = ("read", "empty", "refused", "stopped", "unforeseen")
_NASTY = (
    b"\0", b"\xff" * 8, b"<!ENTITY a 'b'>", b"&a;" * 50, b"]]>", b"{{[[", b"\"'`", b"\r\r\n", b"-1", b"9" * 20, b"NaN",
    b"endobj", b"stream\n", b"%PDF-", b"PK\x05\x06", b"SQLite format 3\0", b"\xed\xa0\x80", "\u202e\0".encode(),
)  # fmt: skip


def mutated(data: bytes, other: bytes, random_: random.Random) -> bytes:
    """Return a file with one to eight injuries: a bit flipped, cut, doubled, overwritten, spliced with another."""
    out = bytearray(data)
    for _ in range(random_.choice((1, 1, 2, 4, 8))):
        if not out:
            break
        at, length = random_.randrange(len(out)), random_.choice((1, 2, 8, 64, 512))
        match random_.randrange(7):
            case 0:
                out[at] ^= 1 << random_.randrange(8)
            case 1:
                del out[at : at + length]
            case 2:
                out[at:at] = out[at : at + length] * random_.choice((1, 2, 100))
            case 3:
                out[at : at + length] = random_.randbytes(length)
            case 4:
                out[at:at] = random_.choice(_NASTY)
            case 5:
                del out[at:]
            case _:
                start = random_.randrange(len(other) or 1)
                out[at:at] = other[start : start + length * 4]
    return bytes(out)


def repacked(data: bytes, other: bytes, random_: random.Random) -> bytes:
    """Return an archive, whole as such, of which one member is injured."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        chosen = random_.choice(source.namelist())
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, mutated(content, other, random_) if name == chosen else content)
    return out.getvalue()


def mutants(folder: Path, count: int, seed: int, *more: Path) -> Iterator[Task]:
    """Write `count` mutants, the formats in turn, and yield them as tasks."""
    random_ = random.Random(seed)
    material = seeds(folder / "seeds", bundled_corpus(), *more)
    assert material.keys() == READERS.keys(), "a format without a seed"
    kinds = sorted(material)
    for n in range(count):
        kind = kinds[n % len(kinds)]
        name = f"{n:05}{kind}"
        other = random_.choice(material[random_.choice((kind, random_.choice(kinds)))])
        data = random_.choice(material[kind])
        inside = zipfile.is_zipfile(io.BytesIO(data)) and random_.random() < 0.7
        (folder / name).write_bytes((repacked if inside else mutated)(data, other, random_))
        yield Task(folder / name, name)


def campaign(folder: Path, count: int, seed: int, *more: Path) -> dict[str, Counter[str]]:
    """Read mutants; return by format how many were read, empty, refused, and stopped by a limit or a crash."""
    tasks = list(mutants(folder, count, seed, *more))
    tally: dict[str, Counter[str]] = {kind: Counter() for kind in sorted(READERS)}
    with Workers(find_model(DEFAULT_MODEL), tasks) as workers:
        for batch in workers.batches():
            for task, outcome in batch:
                tally[task.file.suffix][_verdict(task, outcome)] += 1
                if isinstance(outcome, str) and "please report" in outcome:
                    print(outcome, flush=True)  # no reader foresaw it
    assert sum(row.total() for row in tally.values()) == count, "a file was not accounted for"
    return tally


def _verdict(task: Task, outcome: Reading | str) -> str:
    if isinstance(outcome, Reading):
        for passage in outcome.passages:
            start, end = passage.locator.span
            assert passage.text == outcome.document.text[start:end], task.path
        return "read" if outcome.passages else "empty"
    assert outcome.startswith(task.file.name), outcome
    assert outcome.isprintable(), outcome
    if "please report" in outcome:
        return "unforeseen"
    return "stopped" if "longer than" in outcome or "of memory" in outcome or "crashed" in outcome else "refused"


def main() -> None:
    quiet()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory() as folder:
        tally = campaign(Path(folder), count, seed, *map(Path, sys.argv[3:]))
    for kind, row in {**tally, "all": sum(tally.values(), Counter())}.items():
        print(f"{kind:10s}" + "".join(f"  {row[verdict]:4d} {verdict}" for verdict in VERDICTS))


if __name__ == "__main__":
    main()
