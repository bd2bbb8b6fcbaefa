"""Every collection in every mode, and what fusion, context and question vectors are each worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace

from evals.bench import chunks, files
from evals.bench.tables import Setting, cell, table
from evals.collections import build_library, collection_home
from evals.evaluate import evaluate_beir, evaluate_gold
from evals.gold import GOLD, Beir, Question, load_beir, load_gold
from evals.statistics import compare, holm
from evals.variants import rebuild
from ingest.bundled import bundled_corpus
from ingest.pipeline import ingest
from retrieval.library import Library
from retrieval.store import Home
from retrieval.types import MODES, Mode

BEIR_SETS = ("natural", *files.QA_SETS, "xquad_en", "anthropic_docs", "squad_v2_dev")
MEASURES = ("recall@1", "recall@5", "recall@10", "nDCG@10")
_TITLED = ("xquad_en", "anthropic_docs")  # collections whose documents have titles to leave out
_PARTS = (
    "all of it",
    "without fusion (dense)",
    "without fusion (lexical)",
    "without context",
    "without phrasings",
    "without naming",
    "without question",
)

Score = Callable[[Library, Mode], list[float]]


def collections(setting: Setting) -> Iterator[str]:
    """Rank the documents of every BEIR folder in every mode."""

    def body() -> Iterator[Sequence[str]]:
        for name in BEIR_SETS:
            with _collection(setting, name) as (library, collection):
                for mode in MODES:
                    done = evaluate_beir(library, collection, mode=mode, measures=MEASURES)
                    yield name, str(len(done.queries)), mode, *(cell(done.values(m)) for m in MEASURES)

    note = f"Documents by their best passage; of a set with more than {setting.most} queries, so many evenly spaced."
    yield from table("Collections", ("set", "queries", "mode", *MEASURES), body(), note)


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is measured with and without a part: a library, and for each set a score of each query of a fixed list."""

    library: Library
    scores: Mapping[str, Score]


def parts(setting: Setting) -> Iterator[str]:
    """Leave out one part at a time on every set that has it."""
    subjects = [row for subject in _subjects(setting) for row in _with_and_without(subject).items()]
    tests = [
        (n, i, compare("", ("", values[0] or []), ("", other)).p)
        for n, (_, values) in enumerate(subjects)
        for i, other in enumerate(values)
        if i and other is not None
    ]
    corrected = {(n, i): p for (n, i, _), p in zip(tests, holm([p for *_, p in tests]), strict=True)}
    body = [
        (
            name,
            str(len(values[0] or [])),
            *(
                ("" if v is None else cell(v) + (" *" if corrected.get((n, i), 1.0) < 0.05 else ""))
                for i, v in enumerate(values)
            ),
        )
        for n, (name, values) in enumerate(subjects)
    ]
    note = (
        "nDCG@10, and for chunking_evaluation token recall of the first five hits. `*`: told from all of it by the "
        "paired randomisation test at 0.05, Holm-corrected over the table. Empty: the set has no such part. The qa "
        "sets are asked of the original files, whose text holds the questions too."
    )
    yield from table("With and without", ("set", "queries", *_PARTS), body, note)


def _with_and_without(subject: _Subject) -> dict[str, list[list[float] | None]]:
    """Return for each set the scores in the order of _PARTS, None where it has no such part."""
    library, scores = subject.library, subject.scores
    values: dict[str, list[list[float] | None]] = {
        name: [score(library, mode) for mode in MODES] for name, score in scores.items()
    }
    for without in (_without_context, _without_phrasings):
        with without(library) or nullcontext() as bare:
            for name, score in scores.items():
                values[name].append(score(bare, "hybrid") if bare else None)
    searcher, weights = library.searcher, library.searcher.weights
    for lesser in (replace(weights, naming=0.0), replace(weights, question=0.0)):
        searcher.weights = lesser
        there = lesser.question or library.manifest.questions
        for name, score in scores.items():
            values[name].append(score(library, "hybrid") if there else None)
    searcher.weights = weights
    return values


def _without_context(library: Library) -> Library:
    return rebuild(library, "without-context", lambda passage: replace(passage, context=""))


def _without_phrasings(library: Library) -> Library | None:
    """Return the library with nothing but its own questions, None where it has no other ways to ask them."""
    passages = library.searcher.dense.all_passages()
    if not any(p.entry.phrasings for p in passages if p.entry):
        return None
    return rebuild(
        library,
        "without-phrasings",
        lambda p: replace(p, entry=replace(p.entry, phrasings=())) if p.entry else p,
    )


def _subjects(setting: Setting) -> Iterator[_Subject]:
    bundled = Home(setting.home.path / "bundled", setting.home.encoders)
    ingest(bundled, [bundled_corpus()], model=setting.model)
    with Library(bundled) as library:
        gold = setting.sample([q for q in load_gold(GOLD / "bundled.jsonl") if q.spans])
        yield _Subject(library, {"bundled gold": _gold_score(gold)})
    with files.original_files(setting) as library:
        asked = {f"{name}, files": _gold_score(files.questions(setting, name)) for name in files.QA_SETS}
        yield _Subject(library, asked)
    for name in _TITLED:
        with _collection(setting, name) as (library, collection):
            yield _Subject(library, {name: _beir_score(collection)})
    with chunks.corpora(setting) as library:
        yield _Subject(library, {chunks.SET: lambda lib, mode: [s.recall for s in chunks.scores(setting, lib, mode)]})


def _gold_score(gold: Sequence[Question]) -> Score:
    return lambda library, mode: evaluate_gold(library, gold, name="", mode=mode, measures=["nDCG@10"]).values(
        "nDCG@10"
    )


def _beir_score(collection: Beir) -> Score:
    return lambda library, mode: evaluate_beir(library, collection, mode=mode, measures=["nDCG@10"]).values("nDCG@10")


@contextmanager
def _collection(setting: Setting, name: str) -> Iterator[tuple[Library, Beir]]:
    whole = load_beir(setting.data / "sets" / name)
    asked = dict(setting.sample(list(whole.queries.items())))
    with ExitStack() as stack:
        home = collection_home(setting.home, whole)
        yield stack.enter_context(build_library(whole, home, model=setting.model)), replace(whole, queries=asked)
