"""What a guide and a bank of the bundled corpus must be: one named check each.

`python -m tests.corpus.checks FILE...` prints every breach, so that a writer can
check one file before it is committed; the tests run the same functions on all.
"""

from __future__ import annotations

import contextlib
import io
import re
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CORPUS = Path(__file__).parents[2] / "corpus"
LEVELS = {"foundation", "intermediate", "advanced"}
DIFFICULTIES = {"easy", "medium", "hard"}
GUIDE_WORDS = (700, 1500)
ANSWER_WORDS = (80, 250)
SENIOR_CATEGORIES = {
    "fundamentals": 8,
    "deep learning in production": 6,
    "LLM systems": 13,
    "recommendation and search": 8,
    "system design": 5,
    "behavioural": 5,
    "mathematics": 3,
    "coding": 2,
}
COMMENT = re.compile(r"<!--.*?-->", re.S)
_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```\s*$", re.M | re.S)


def topic_paths() -> list[str]:
    """Paths of all guides that topics.yaml names, relative to corpus/."""
    areas = yaml.safe_load((CORPUS / "topics.yaml").read_text(encoding="utf-8"))["areas"]
    return [f"guides/{area['id']}/{topic}.md" for area in areas for topic in area["topics"]]


def split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    match = re.match(r"---\n(.*?)\n---\n(.*)", text, re.S)
    if not match:
        return {}, text
    return yaml.safe_load(match[1]), match[2]


def guide_breaches(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    meta, body = split_front_matter(text)
    area = path.parent.name
    if sorted(meta) != ["area", "level", "related", "tags", "title"]:
        yield f"front matter has {sorted(meta)}, wants area, level, related, tags, title"
        return
    if meta["area"] != area:
        yield f"area is {meta['area']!r}, the folder is {area!r}"
    if meta["level"] not in LEVELS:
        yield f"level {meta['level']!r} is not one of {sorted(LEVELS)}"
    if not 3 <= len(meta["tags"]) <= 8 or not all(isinstance(t, str) for t in meta["tags"]):
        yield "tags: wants 3 to 8 strings"
    known = set(topic_paths())
    if len(meta["related"]) < 2:
        yield "related: wants at least 2 guides"
    for other in meta["related"]:
        if other not in known:
            yield f"related: {other} is not in topics.yaml"
    words = len(COMMENT.sub("", body).split())
    if not GUIDE_WORDS[0] <= words <= GUIDE_WORDS[1]:
        yield f"{words} words, wants {GUIDE_WORDS[0]} to {GUIDE_WORDS[1]}"
    headings = re.findall(r"^## (.+)$", _FENCE.sub("", body), re.M)
    for wanted in ("The idea", "When it fails", "Interview questions", "References"):
        if wanted not in headings:
            yield f"no section '## {wanted}'"
    if "example" not in " ".join(headings).lower():
        yield "no section with a worked example"
    if body.lstrip().split("\n", 1)[0] != f"# {meta['title']}":
        yield "the first line is not the title as a level-1 heading"
    questions = re.findall(r"^### (.+\?)$", body, re.M)
    if len(questions) < 5:
        yield f"{len(questions)} interview questions ('### ...?'), wants at least 5"
    yield from code_breaches(body)


def code_breaches(body: str) -> Iterator[str]:
    """Run a guide's Python blocks in one namespace and its SQL blocks on one sqlite database."""
    namespace: dict[str, Any] = {"__name__": "guide"}
    database = sqlite3.connect(":memory:")
    for language, block in _FENCE.findall(body):
        try:
            if language == "python":
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(compile(block, "<guide>", "exec", dont_inherit=True), namespace)
            elif language == "sql":
                database.executescript(block)
        except Exception as error:  # any failure of the block is the finding
            yield f"{language} block fails: {type(error).__name__}: {error}: {block[:60]!r}"
    database.close()


def bank_breaches(path: Path) -> Iterator[str]:
    bank = yaml.safe_load(path.read_text(encoding="utf-8"))
    if sorted(bank) != ["questions", "title"]:
        yield f"top level has {sorted(bank)}, wants questions, title"
        return
    wanted = {"id", "question", "answer", "category", "difficulty", "tags", "guide", "phrasings"}
    extra = {"levels", "strong", "weak", "follow_ups"} if path.stem == "senior-canon" else set()
    if path.stem == "behavioural":
        extra = {"story_angle"}
    known, seen = set(topic_paths()), set()
    for entry in bank["questions"]:
        name = entry.get("id", "?")
        if set(entry) != wanted | extra:
            yield f"{name}: fields {sorted(set(entry) ^ (wanted | extra))} missing or too many"
            continue
        if name in seen or not name.startswith(path.stem):
            yield f"{name}: id repeated or without the bank's name"
        seen.add(name)
        words = len(entry["answer"].split())
        if not ANSWER_WORDS[0] <= words <= ANSWER_WORDS[1]:
            yield f"{name}: answer has {words} words, wants {ANSWER_WORDS}"
        if entry["difficulty"] not in DIFFICULTIES:
            yield f"{name}: difficulty {entry['difficulty']!r}"
        if entry["guide"] not in known:
            yield f"{name}: guide {entry['guide']} is not in topics.yaml"
        if not 2 <= len(entry["tags"]) <= 6:
            yield f"{name}: wants 2 to 6 tags"
        if len(entry["phrasings"]) < 3:
            yield f"{name}: wants at least 3 phrasings"
        if extra == {"levels", "strong", "weak", "follow_ups"}:
            if sorted(entry["levels"]) != ["L4", "L5", "L6"]:
                yield f"{name}: levels wants L4, L5, L6"
            for field in ("strong", "weak", "follow_ups"):
                if len(entry[field]) < 2:
                    yield f"{name}: {field} wants at least 2"
        yield from (f"{name}: {b}" for b in code_breaches(entry["answer"]))


def main(names: list[str]) -> int:
    count = 0
    for name in names:
        path = Path(name)
        check = guide_breaches if path.suffix == ".md" else bank_breaches
        for breach in check(path):
            count += 1
            print(f"{name}: {breach}")
    print(f"{len(names)} files, {count} breaches")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
