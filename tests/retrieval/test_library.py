"""The library as its users hold it: search, ask, relate, and notice what is new."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ingest.pipeline import ingest
from retrieval import Filters, Library
from retrieval.encoder import Encoder
from retrieval.errors import EncoderError, IndexCorruptError, IndexMissingError, QueryError
from retrieval.manifest import Manifest
from retrieval.store import Home, Store
from retrieval.types import MODES, Mode
from retrieval.wire import answer_json, hit_json
from tests.conftest import NOTES, make_server_store, write_notes
from tests.invariants import check_answer, check_hits


@pytest.fixture(scope="module", params=["folder", "server"])
def library(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, encoders: Path, encoder: Encoder
) -> Iterator[Library]:
    """A library that these tests only read: in a folder, then on a server."""
    base = tmp_path_factory.mktemp("library")
    if request.param == "folder":
        yield from opened(Home(base / "home", encoders), base)
    else:
        shared = make_server_store(request.getfixturevalue("chroma_server"), base / "home", encoders)
        yield from opened(shared, base)
        shared.close()


def opened(store: Store, base: Path) -> Iterator[Library]:
    ingest(store, [write_notes(base)])
    with Library(store) as library:
        yield library


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_finds_the_passage(library: Library, mode: Mode) -> None:
    """This test ensures that each search alone, and both together, put the right passage first."""
    hits = library.search("L1 regularization sets weights to zero", k=3, mode=mode)
    check_hits(hits)
    assert "exactly zero" in hits[0].passage.text


def test_a_paraphrased_bank_question_finds_its_entry(library: Library) -> None:
    """This test ensures that a question is found by its own vector, its answer sharing no word with the query."""
    (hit, *_) = library.search("how does a too large step size show itself", k=1)
    assert hit.passage.entry is not None
    assert hit.passage.entry.question == "What does a learning rate that is too high look like?"


def test_filters_hold_in_both_searches(library: Library) -> None:
    """This test ensures that kind, topic and source leave out everything else, in every mode."""
    for mode in MODES:
        by_kind = library.search("features of the model", k=9, mode=mode, filters=Filters(kinds=("qa",)))
        assert {h.passage.kind for h in by_kind} == {"qa"}
        by_topic = library.search("accuracy of loss", k=9, mode=mode, filters=Filters(topics=("imbalance",)))
        assert [h.passage.locator.path for h in by_topic] == ["bank.yaml"]
        by_source = library.search("loss", k=9, mode=mode, filters=Filters(sources=("regularization.md",)))
        assert {h.passage.locator.path for h in by_source} == {"regularization.md"}


def test_an_unknown_source_is_an_error(library: Library) -> None:
    """This test ensures that a typing error in a filter does not look like an empty library."""
    with pytest.raises(QueryError, match=r"nope\.md"):
        library.search("x", filters=Filters(sources=("nope.md",)))


@pytest.mark.parametrize("query", ["", "   ", "\n"])
def test_an_empty_question_is_an_error(library: Library, query: str) -> None:
    """This test ensures that nothing asked is not answered."""
    with pytest.raises(QueryError, match="empty"):
        library.search(query)
    with pytest.raises(QueryError, match="empty"):
        library.ask(query)


@pytest.mark.parametrize(
    "query", ["dropout " * 10_000, "???", "$$$ \\frac{", "机器学习", "a" * 5000, "' OR 1=1 --", "\ud800"]
)
def test_odd_questions_are_answered_or_declined(library: Library, query: str) -> None:
    """This test ensures that no question, however odd, is an error."""
    check_answer(library.ask(query), library)


def test_a_bank_question_is_answered_by_its_reference_answer(library: Library) -> None:
    """This test ensures that the entry's answer comes back whole and verbatim."""
    answer = library.ask("Why is accuracy misleading on imbalanced data?")
    check_answer(answer, library)
    assert [s.text for s in answer.sentences] == [
        "A classifier that always predicts the majority class reaches high accuracy and finds no positives.",
        "Precision, recall and the area under the precision-recall curve show what accuracy hides.",
    ]


def test_a_citation_names_the_very_lines(library: Library, notes: Path) -> None:
    """This test ensures that the line of a quote is the line in the file."""
    answer = library.ask("What does L1 regularization do to the weights?")
    check_answer(answer, library)
    lines = (notes / "regularization.md").read_text(encoding="utf-8").split("\n")
    for citation in answer.citations:
        assert citation.locator.lines is not None
        first, last = citation.locator.lines
        assert citation.quote in "\n".join(lines[first - 1 : last])


def test_what_the_library_does_not_cover_is_declined_with_topics(library: Library) -> None:
    """This test ensures that an abstention is empty, keeps its hits and names topics."""
    answer = library.ask("Which treaty ended the Thirty Years' War?")
    check_answer(answer, library)
    assert (answer.answered, bool(answer.hits), bool(answer.nearest_topics)) == (False, True, True)


def test_the_same_text_in_two_places_is_one_hit(store: Store, notes: Path) -> None:
    """This test ensures that a repeated entry is listed once, with both its places."""
    text = "# More\n\n## Credits\n\n" + "Thanks to all who wrote to us about errors in this text. " * 20
    entry = NOTES[NOTES.index("### When") :]
    (notes / "again.md").write_text(f"{text}\n\n{entry}", encoding="utf-8")
    ingest(store, [notes])
    with Library(store) as library:
        hit = library.search("when to choose L1 instead of L2", k=1)[0]
        assert {hit.passage.locator.path, *(a.path for a in hit.also)} == {"again.md", "regularization.md"}


def test_a_reader_sees_a_new_generation_at_its_next_query(store: Store, notes: Path) -> None:
    """This test ensures that an open library never goes stale."""
    ingest(store, [notes])
    with Library(store) as library:
        assert "boosting" not in library.search("gradient boosting", k=1)[0].passage.text
        (notes / "new.md").write_text("# Boosting\n\nGradient boosting fits trees to residuals.\n", encoding="utf-8")
        ingest(store, [notes])
        assert "boosting" in library.search("gradient boosting", k=1)[0].passage.text


def test_an_empty_library_has_a_defined_answer(store: Store, tmp_path: Path) -> None:
    """This test ensures that a library in which nothing could be read searches and declines."""
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "x.md").write_bytes(b"\x00\x01" * 500)
    ingest(store, [folder])
    with Library(store) as library:
        assert library.search("anything") == []
        assert not library.ask("anything").answered
        with pytest.raises(QueryError, match="no topics"):
            library.related("anything")


def test_no_index_is_an_error_that_says_what_to_do(store: Store) -> None:
    """This test ensures that opening nothing is clear."""
    with pytest.raises(IndexMissingError, match="prep ingest"):
        Library(store)


def test_topics_come_from_headings_categories_and_tags(library: Library) -> None:
    """This test ensures that the tree has guides, categories and tags with their passages."""
    found = {(t.kind, t.name) for t in library.topics()}
    assert {("guide", "Regularization"), ("category", "evaluation"), ("tag", "imbalance")} <= found
    assert library.find_topic("REGULARIZATION").kind == "guide"
    assert library.find_topic("dropout and L1 penalties").name == "Regularization"


def test_related_topics_come_with_reasons(library: Library) -> None:
    """This test ensures that a relation is explained and never the topic itself."""
    related = library.related("regularization", 3)
    assert related
    assert all(r.reasons and r.topic.name != "Regularization" for r in related)


def test_json_has_the_contracted_shape(library: Library) -> None:
    """This test ensures that programs outside find the keys they were promised."""
    hit = hit_json(library.search("dropout", k=1)[0])
    assert set(hit) == {"rank", "score", "scores", "passage_id", "kind", "text", "source", "topics"}
    assert set(hit["source"]) == {"path", "title", "page", "lines", "heading", "span"}
    answer = answer_json(library.ask("What does dropout do?"))
    assert set(answer) == {"question", "answered", "confidence", "answer", "citations", "hits"}
    assert set(answer["citations"][0]) == {"n", "quote", "source"}


def test_candidates_carry_exact_cosines(library: Library) -> None:
    """This test ensures that the approximate index gives the cosines of its vectors, joined as they should be."""
    query = "why does dropout help"
    found = library.searcher.candidates(query, mode="hybrid")
    vectors = library.searcher.dense.vectors(found.ids)
    asked = library.searcher.dense.question_vectors(found.ids)
    vector = library.searcher.encoder.encode_query(query)
    for id_, dense in zip(found.ids, found.dense, strict=True):
        exact = float(vectors[id_] @ vector)
        if id_ in asked:
            exact = max(exact, float(asked[id_] @ vector))
        assert np.isclose(dense, exact, atol=1e-4)


def test_a_topic_is_a_filter_by_the_name_that_is_shown(library: Library) -> None:
    """This test ensures that guides and tags filter by name in any case, and that an unknown name is told."""
    for name, path in (("Regularization", "regularization.md"), ("IMBALANCE", "bank.yaml")):
        hits = library.search("features of the loss", k=9, filters=Filters(topics=(name,)))
        assert {h.passage.locator.path for h in hits} == {path}
    with pytest.raises(QueryError, match="no topic 'poetry'"):
        library.search("loss", filters=Filters(topics=("poetry",)))
    assert library.find_topic("\udcff")  # what an undecodable argument becomes


def test_an_area_is_a_filter_and_goes_with_others(home: Home, notes: Path) -> None:
    """This test ensures that a folder filters by its title or its name, and together with a source."""
    (notes / "deep-learning").mkdir()
    (notes / "deep-learning" / "warmup.md").write_text("# Warmup\n\nWarmup raises the learning rate slowly.\n")
    ingest(home, [notes])
    with Library(home) as library:
        for name in ("Deep learning", "deep-learning"):
            hits = library.search("learning rate", k=9, filters=Filters(topics=(name,)))
            assert {h.passage.locator.path for h in hits} == {"deep-learning/warmup.md"}
        assert library.search("rate", filters=Filters(topics=("Deep learning",), sources=("bank.yaml",))) == []


def test_a_tag_is_a_filter_however_a_file_spells_it(store: Store, tmp_path: Path) -> None:
    """This test ensures that all passages of a topic are found, whichever of their spellings is given."""
    folder = tmp_path / "tagged"
    folder.mkdir()
    tags = {"Machine Learning": "hinge", "machine-learning": "log", "machine_learning": "huber", "machines": "heat"}
    for tag, kind in tags.items():
        (folder / f"{tag}.md").write_text(f"---\ntags: [{tag}]\n---\n# Notes\n\nThere is {kind} loss.\n")
    (folder / "bank.yaml").write_text("- {question: What is loss?, answer: A number., category: MACHINE learning}\n")
    ingest(store, [folder])
    wanted = {"Machine Learning.md", "machine-learning.md", "machine_learning.md", "bank.yaml"}
    with Library(store) as library:
        for name in ("Machine Learning", "machine_learning", "MACHINE-LEARNING", "tag/machine learning"):
            hits = library.search("loss", k=9, filters=Filters(topics=(name,)))
            assert {h.passage.locator.path for h in hits} == wanted


def test_a_section_is_no_filter_and_its_file_is_named(home: Home, tmp_path: Path) -> None:
    """This test ensures that the advice names the whole path, also where path and heading hold a number sign."""
    folder = tmp_path / "languages"
    (folder / "C#").mkdir(parents=True)
    (folder / "C#" / "first.md").write_text("# One\n\n## C# basics\n\n" + "A value type is copied. " * 100)
    ingest(home, [folder])
    with Library(home) as library:
        assert "section/C#/first.md#c# basics" in {t.id for t in library.topics()}
        with pytest.raises(QueryError, match=r"choose its file: --source C#/first\.md$"):
            library.search("types", filters=Filters(topics=("C# basics",)))


def test_a_copy_is_searched_and_read_where_its_content_is_indexed(store: Store, notes: Path) -> None:
    """This test ensures that a folder of copies is a filter like any other, and that a copy has its text."""
    (notes / "z").mkdir()
    shutil.copy(notes / "regularization.md", notes / "z" / "copy.md")
    ingest(store, [notes])
    with Library(store) as library:
        for name in ("z/", "z/copy.md"):
            hits = library.search("loss", k=9, filters=Filters(sources=(name,)))
            assert {h.passage.locator.path for h in hits} == {"regularization.md"}
        assert library.text("z/copy.md") == library.text("regularization.md")


def test_a_copy_of_a_copy_leads_to_the_content(home: Home, tmp_path: Path) -> None:
    """This test ensures that a copy is found whose original turned out to be a copy once another reader had read it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("a.txt", "b.csv", "c.csv"):
        (folder / name).write_text("question,answer\nWhat is c?,A letter.\n")
    ingest(home, [folder])
    with Library(home) as library:
        assert [r.same_as for r in library.manifest.sources] == [None, "a.txt", "b.csv"]
        (hit,) = library.search("letter", filters=Filters(sources=("c.csv",)))
        assert hit.passage.locator.path == "a.txt"
        assert library.text("c.csv") == library.text("a.txt")


def test_a_topic_of_an_earlier_generation_is_looked_up_or_told(store: Store, notes: Path) -> None:
    """This test ensures that a topic found before another ingest is the present one after it, or one line if gone."""
    guide = notes / "regularization.md"
    ingest(store, [notes])
    with Library(store) as library:
        topic = library.find_topic("Regularization")
        guide.write_text(f"{NOTES}\n### Why does dropout help?\n\nUnits cannot rely on one another.\n")
        ingest(store, [notes])
        assert "Why does dropout help?" in library.questions(topic)
        assert library.topic_tree.related(topic, 3)
        guide.unlink()
        ingest(store, [notes])
        with pytest.raises(QueryError, match=r"^the topic 'Regularization' is not .*; see: prep topics$"):
            library.questions(topic)
        with pytest.raises(QueryError, match="prep topics"):
            library.topic_tree.related(topic, 3)


class ChangedMeanwhile(Home):
    """A library to which other processes do something before it is looked at: `coming`, in that order."""

    coming: Iterator[Callable[[], object]] = iter(())

    def current_name(self) -> str:
        if change := next(self.coming, None):
            change()
        return super().current_name()


def test_one_call_relates_within_one_generation(home: Home, notes: Path) -> None:
    """This test ensures that a commit in the middle of `related` mixes no old topic with a new tree."""

    def without_the_guide() -> None:
        (notes / "regularization.md").unlink()
        ingest(home, [notes])

    ingest(home, [notes])
    store = ChangedMeanwhile(home.path, home.encoders)
    with Library(store) as library:
        wanted = library.related("Regularization", 3)
        store.coming = iter((lambda: None, without_the_guide))
        assert library.related("Regularization", 3) == wanted
        assert library.find_topic("Regularization").kind != "guide"


def test_a_damaged_text_is_told_with_the_way_out(home: Home, notes: Path) -> None:
    """This test ensures that a text that cannot be decoded is one sentence and no traceback."""
    ingest(home, [notes])
    with Library(home) as library:
        record = library.manifest.by_path()["regularization.md"]
        (home.current() / "texts" / record.text_name).write_bytes(b"\xff\xfe")
        with pytest.raises(IndexCorruptError, match=r"regularization\.md .*damaged.*; run: prep ingest --rebuild$"):
            library.text("regularization.md")


@pytest.mark.parametrize("said", ["[1, 2", "[1, 2]", "null", "\xff"])
def test_damaged_line_numbers_are_told_with_the_way_out(home: Home, notes: Path, said: str) -> None:
    """This test ensures that line numbers that are none, or too few, are one sentence while answering."""
    ingest(home, [notes])
    with Library(home) as library:
        record = library.manifest.by_path()["bank.yaml"]
        (home.current() / "texts" / f"{record.text_name}.lines").write_text(said, encoding="latin-1")
        with pytest.raises(IndexCorruptError, match=r"bank\.yaml .*damaged.*; run: prep ingest --rebuild$"):
            library.ask("Why is accuracy misleading on imbalanced data?")


def test_a_hit_of_an_earlier_generation_keeps_its_lines(home: Home, notes: Path) -> None:
    """This test ensures that a quote of a passage that has moved since is not given lines of the new text."""
    ingest(home, [notes])
    with Library(home) as library:
        passage = library.search("dropout sets each activation to zero", k=1)[0].passage
        start, end = passage.locator.span
        assert library.quote_locator(passage, (start, end)).lines == passage.locator.lines
        guide = notes / "regularization.md"
        guide.write_text("# Regularization\n\n" + "One more line.\n" * 40 + guide.read_text())
        ingest(home, [notes])
        assert library.quote_locator(passage, (start, end)) == passage.locator


def test_a_vector_index_that_was_emptied_is_told(home: Home, notes: Path) -> None:
    """This test ensures that passages gone from Chroma are one sentence where it is needed, and no empty list."""
    ingest(home, [notes])
    shutil.rmtree(home.current() / "chroma")
    (home.current() / "chroma").mkdir()
    with Library(home) as library:
        assert library.search("dropout")
        with pytest.raises(IndexCorruptError, match=r"0 of 4 passages; run: prep doctor --fix"):
            library.search("dropout", filters=Filters(kinds=("prose",)))


def test_a_model_that_is_gone_is_told_with_the_way_out(home: Home, notes: Path) -> None:
    """This test ensures that the advice names a model, for a rebuild alone would look for the lost one again."""
    ingest(home, [notes])
    replace(Manifest.read(home.current()), model="/gone").write(home.current())
    with pytest.raises(EncoderError, match=r"/gone.*--rebuild --model prepdesk-MiniLM-L6"):
        Library(home)
