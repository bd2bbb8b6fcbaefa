"""The original files of the library as a candidate has them: retrieval, cited sentences, declining."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from evals.answers import Declining, evaluate_answers, evaluate_declining
from evals.bench.tables import Setting, cell, rows, table
from evals.collections import build_library, collection_home
from evals.evaluate import evaluate_gold
from evals.gold import GoldSpan, Question, load_beir
from evals.spans import span_scores
from ingest.pipeline import ingest
from retrieval.library import Library
from retrieval.types import Answer

QA_SETS = ("qa_grigorev_theory", "qa_ajitsingh98", "qa_rasbt_faq", "qa_llm_kalyanks", "qa_iamtodor")
MEASURES = ("recall@1", "recall@5", "MRR@10")
_SPANS = "xquad_en"


@contextmanager
def original_files(setting: Setting) -> Iterator[Library]:
    """Index the whole library folder."""
    ingest(setting.home, [setting.data / "library"], model=setting.model)
    with Library(setting.home) as library:
        yield library


def questions(setting: Setting, name: str) -> list[Question]:
    """Return the questions of a qa set with the spans of their answers in the original files."""
    folder = setting.data / "sets" / name
    texts = {row["_id"]: row["text"] for row in rows(folder / "queries.jsonl")}
    places: dict[str, list[GoldSpan]] = {}
    sources: dict[str, str] = {}
    for row in rows(folder / "references.jsonl"):
        if (path := row["file"]) not in sources:
            sources[path] = (setting.data / "library" / path).read_bytes().decode()
        quote = sources[path][row["start"] : row["end"]]
        places.setdefault(row["query_id"], []).append(GoldSpan(path, quote, start=row["start"]))
    return setting.sample([Question(id_, texts[id_], spans=tuple(spans)) for id_, spans in places.items()])


def retrieval(setting: Setting) -> Iterator[str]:
    """Ask every question of the banks of the library they stand in; a hit overlaps the answer by half."""
    with original_files(setting) as library:
        body = []
        for name in QA_SETS:
            done = evaluate_gold(library, questions(setting, name), name=name, measures=MEASURES)
            body.append((name, str(len(done.queries)), *(cell(done.values(m)) for m in MEASURES)))
    yield from table("Original files: the span of the answer in the whole library", ("set", "queries", *MEASURES), body)


def answers(setting: Setting) -> Iterator[str]:
    """Measure declining, then which sentences are chosen."""
    with original_files(setting) as library:
        asked = {name: questions(setting, name) for name in QA_SETS}
        said = {name: [library.ask(q.text) for q in found] for name, found in asked.items()}
        yield from _declining(setting, library, [answer for found in said.values() for answer in found])
        body = [
            (name, str(len(found)), cell(evaluate_answers(library, found, said[name]).citation_precision))
            for name, found in asked.items()
        ]
    note = "Citations that overlap the span of the gold answer by half of the shorter, of the questions answered."
    yield from table("Sentences chosen: qa sets on the original files", ("set", "queries", "in the span"), body, note)
    yield from _containment(setting)


def _declining(setting: Setting, library: Library, yes: Sequence[Answer]) -> Iterator[str]:
    found: dict[str, Declining] = {}
    for file in sorted((setting.data / "abstain").glob("*.jsonl")):
        no = [library.ask(row["text"]) for row in setting.sample(list(rows(file)))]
        found[file.stem] = evaluate_declining(yes, no)
    head = ("unanswerable", "questions", "AUROC", "precision", "recall", "answerable answered")
    body = [
        (
            name,
            str(d.unanswerable),
            f"{d.auroc:.3f}",
            f"{d.precision:.1%}",
            f"{d.declined:.1%}",
            f"{d.answered:.1%} of {d.answerable}",
        )
        for name, d in found.items()
    ]
    yield from table("Declining, with the whole library indexed", head, body)
    bins = [
        (name, f"{b.confidence:.2f}", f"{b.answerable:.2f}", str(b.questions))
        for name, d in found.items()
        for b in d.reliability
    ]
    yield from table("Reliability", ("unanswerable", "mean confidence", "share answerable", "questions"), bins)


def _containment(setting: Setting) -> Iterator[str]:
    """Look for the exact gold answer of paragraph questions in what was chosen, and in what it was chosen from."""
    collection = load_beir(setting.data / "sets" / _SPANS)
    wanted = {
        row["query_id"]: (row["doc_id"], row["start"], row["end"])
        for row in rows(setting.data / "sets" / _SPANS / "references.jsonl")
    }
    chosen: list[float] = []
    first: list[float] = []
    all_hits: list[float] = []
    words: list[float] = []
    with build_library(collection, collection_home(setting.home, collection), model=setting.model) as library:
        for id_, text in setting.sample([(q, t) for q, t in collection.queries.items() if q in wanted]):
            answer = library.ask(text)
            cited = [(c.locator.path, *c.locator.span) for c in answer.citations]
            hits = [(h.passage.locator.path, *h.passage.locator.span) for h in answer.hits]
            for found, places in ((chosen, cited), (first, hits[:1]), (all_hits, hits)):
                found.append(float(span_scores(places, [wanted[id_]]).recall == 1.0))
            words.append(float(sum(len(s.text.split()) for s in answer.sentences)))
    head = ("queries", "chosen sentences", "words chosen", "the whole first hit", "any of the hits of an answer")
    body = [(str(len(chosen)), cell(chosen), cell(words), cell(first), cell(all_hits))]
    yield from table(f"Answer containment: {_SPANS}", head, body, "Declined questions count as not contained.")
