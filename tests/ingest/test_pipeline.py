"""Ingest: in step with the folder, nothing lost, nothing embedded twice."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.pipeline import Report, ingest, remove
from ingest.readers import READERS
from retrieval import Library
from retrieval.errors import FingerprintError, LockedError, QueryError, ReadError
from retrieval.manifest import Manifest
from retrieval.status import language_advice
from retrieval.store import Home, Store
from tests.conftest import NOTES
from tests.invariants import check_generation

Ingest = Callable[..., Report]


# What is decided before anything is written is the same for both stores.
in_a_folder = pytest.mark.parametrize("store", ["folder"], indirect=True)


@pytest.fixture
def kept_in(store: Store) -> Store:
    return store


def contents(store: Store) -> dict[str, str]:
    """Return every passage of the live generation by id."""
    with Library(store) as library:
        return {p.id: p.text for p in library.searcher.dense.all_passages()}


def test_a_first_ingest_writes_a_sound_generation(store: Store, ingest_notes: Ingest) -> None:
    """This test ensures that vectors, passages, lexical rows and manifest agree."""
    report = ingest_notes()
    check_generation(store)
    assert (sorted(report.new), report.failed, report.passages) == (["bank.yaml", "regularization.md"], (), 4)


def test_an_unchanged_folder_costs_nothing(store: Store, ingest_notes: Ingest) -> None:
    """This test ensures that a second run neither embeds nor writes."""
    ingest_notes()
    report = ingest_notes()
    assert (report.generation, report.encoded, report.unchanged) == (None, 0, 2)
    assert (store.current_name() or "").startswith("000001")


def test_a_changed_file_keeps_the_vectors_of_its_unchanged_passages(
    store: Store, notes: Path, ingest_notes: Ingest
) -> None:
    """This test ensures that one new section costs one text to embed."""
    ingest_notes()
    extra = "Early stopping ends training when the validation loss no longer falls. " * 6
    (notes / "regularization.md").write_text(NOTES + f"\n## Early stopping\n\n{extra}\n", encoding="utf-8")
    report = ingest_notes()
    assert (report.changed, report.encoded) == (("regularization.md",), 1)
    check_generation(store)


def test_phrasings_bring_an_entry_nearer(store: Store, tmp_path: Path) -> None:
    """This test ensures that other ways to ask count as soon as they are written, and change nothing else."""
    note = tmp_path / "folder" / "note.md"
    note.parent.mkdir()
    asked = "my scores collapse on fresh records"
    plain = "## What is overfitting?\n\nA model that fits the noise of its training set generalizes badly.\n"
    near = []
    for text in (plain, f"{plain}\n<!-- phrasings: fine in the lab, useless on monday -->\n"):
        note.write_text(text, encoding="utf-8")
        ingest(store, [note.parent])
        with Library(store) as library:
            (hit,) = library.search(asked, 1, mode="dense")
            near.append((hit.scores.dense, hit.passage.id, hit.passage.text))
    assert near[1][0] > near[0][0]
    assert near[1][1:] == near[0][1:]


def test_a_moved_file_embeds_nothing(store: Store, notes: Path, ingest_notes: Ingest) -> None:
    """This test ensures that a rename is seen by content."""
    ingest_notes()
    (notes / "sub").mkdir()
    (notes / "regularization.md").rename(notes / "sub" / "renamed.md")
    report = ingest_notes()
    assert (report.moved, report.new, report.removed, report.encoded) == (("sub/renamed.md",), (), (), 0)
    check_generation(store)


def test_a_removed_file_leaves_the_index(store: Store, notes: Path, ingest_notes: Ingest) -> None:
    """This test ensures that nothing is cited that is no longer there."""
    ingest_notes()
    (notes / "bank.yaml").unlink()
    assert ingest_notes().removed == ("bank.yaml",)
    assert all("accuracy" not in text for text in contents(store).values())
    check_generation(store)


def test_the_same_content_twice_is_indexed_once(store: Store, notes: Path, ingest_notes: Ingest) -> None:
    """This test ensures that a copy is recorded beside its original, and takes over when that goes."""
    (notes / "z-copy.md").write_text(NOTES, encoding="utf-8")
    report = ingest_notes()
    assert (report.passages, report.new, report.unchanged) == (
        4,
        ("bank.yaml", "regularization.md", "z-copy.md"),
        0,
    )
    records = Manifest.read(store.current()).by_path()
    assert records["z-copy.md"].same_as == "regularization.md"
    (notes / "regularization.md").unlink()
    ingest_notes()
    check_generation(store)
    assert Manifest.read(store.current()).by_path()["z-copy.md"].passages == 2


def test_a_file_of_nothing_is_told_once(store: Store, notes: Path, ingest_notes: Ingest) -> None:
    """This test ensures that what has no text counts as no material alone, and as nothing new."""
    (notes / "empty.md").write_text(" \n", encoding="utf-8")
    report = ingest_notes()
    assert (report.new, report.unchanged) == (("bank.yaml", "regularization.md"), 0)
    assert report.skipped == (("empty.md", "no text in it"),)


def test_ingest_twice_from_nothing_gives_the_same(tmp_path: Path, encoders: Path, notes: Path) -> None:
    """This test ensures that ids and texts depend on the folder alone."""
    homes = [Home(tmp_path / name, encoders) for name in ("a", "b")]
    for store in homes:
        ingest(store, [notes])
    assert contents(homes[0]) == contents(homes[1])


def test_a_file_that_no_longer_reads_keeps_its_old_passages(store: Store, notes: Path, ingest_notes: Ingest) -> None:
    """This test ensures that a bad new version never loses the good old one."""
    ingest_notes()
    before = contents(store)
    (notes / "bank.yaml").write_text("questions: [", encoding="utf-8")
    report = ingest_notes()
    assert [path for path, _ in report.failed] == ["bank.yaml"]
    assert contents(store) == before
    check_generation(store)


@in_a_folder
def test_two_files_that_break_alike_keep_their_old_passages(store: Store, tmp_path: Path) -> None:
    """This test ensures that a broken copy is not folded onto another broken one."""
    folder = tmp_path / "banks"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.yaml").write_text(f"- question: What is {name}?\n  answer: The letter {name}.\n")
    ingest(store, [folder])
    before = contents(store)
    for name in ("a", "b"):
        (folder / f"{name}.yaml").write_text("- [")
    for rebuild in (False, True):
        assert [path for path, _ in ingest(store, [folder], rebuild=rebuild).failed] == ["a.yaml", "b.yaml"]
        assert contents(store) == before
        check_generation(store)
    for name in ("a", "b"):
        (folder / f"{name}.yaml").write_text("- question: What is c?\n  answer: The letter c.\n")
    assert ingest(store, [folder]).passages == 1
    check_generation(store)


@in_a_folder
def test_a_copy_that_another_reader_reads_is_indexed(store: Store, tmp_path: Path) -> None:
    """This test ensures that text is not lost behind a file of the same bytes that is no bank, nor indexed twice."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, text in (("a", "Dropout sets units to zero.\n"), ("c", "question,answer\nWhat is c?,A letter.\n")):
        (folder / f"{name}.csv").write_text(text)
        (folder / f"{name}.txt").write_text(text)
    report = ingest(store, [folder])
    records = Manifest.read(store.current()).by_path()
    assert ([path for path, _ in report.failed], report.passages) == (["a.csv"], 2)
    assert (records["a.txt"].passages, records["c.txt"].same_as) == (1, "c.csv")
    assert ingest(store, [folder]).generation is None
    check_generation(store)


def test_a_rebuild_keeps_what_no_longer_reads(store: Store, notes: Path, ingest_notes: Ingest) -> None:
    """This test ensures that passages, text and lines of a broken file outlive a rebuild."""
    ingest_notes()
    before = contents(store)
    (notes / "bank.yaml").write_text("questions: [", encoding="utf-8")
    report = ingest_notes(rebuild=True)
    assert [path for path, _ in report.failed] == ["bank.yaml"]
    assert contents(store) == before
    check_generation(store)
    with Library(store) as library:
        passage = next(p for p in library.searcher.dense.all_passages() if "majority class" in p.text)
        at = library.text("bank.yaml").index("A classifier")
        assert library.quote_locator(passage, (at, at + 12)).lines == (6, 6)


@in_a_folder
def test_a_rebuild_goes_on_where_the_old_text_is_gone(store: Store, notes: Path, ingest_notes: Ingest) -> None:
    """This test ensures that a damaged generation does not keep its own mending from being written."""
    ingest_notes()
    (notes / "bank.yaml").write_text("questions: [", encoding="utf-8")
    (store.current() / "texts" / Manifest.read(store.current()).by_path()["bank.yaml"].text_name).unlink()
    assert ingest_notes(rebuild=True).passages == 2
    check_generation(store)


@in_a_folder
def test_a_file_ingested_by_its_own_path_stays_in_its_folder(store: Store, notes: Path, ingest_notes: Ingest) -> None:
    """This test ensures that its path stays as well, and that it goes when it is deleted."""
    (notes / "sub").mkdir()
    own = notes / "sub" / "own.md"
    own.write_text("# Own\n\nBoosting adds weak learners.\n", encoding="utf-8")
    ingest_notes()
    own.write_text("# Own\n\nBagging averages strong learners.\n", encoding="utf-8")
    assert ingest(store, [own]).changed == ("sub/own.md",)
    own.unlink()
    assert ingest_notes().removed == ("sub/own.md",)


@pytest.fixture
def below(notes: Path) -> Path:
    """A folder in the notes, with two of its own."""
    folder = notes / "sub"
    folder.mkdir()
    (folder / "a.md").write_text("# A\n\nBoosting adds weak learners.\n", encoding="utf-8")
    (folder / "b.md").write_text("# B\n\nBagging averages strong learners.\n", encoding="utf-8")
    return folder


def paths(store: Store) -> list[str]:
    """Return the paths of all sources of the live generation."""
    return [record.path for record in store.live().sources]


@in_a_folder
def test_what_is_deleted_in_a_folder_of_a_root_goes(store: Store, below: Path, ingest_notes: Ingest) -> None:
    """This test ensures that ingesting that folder alone drops it, to the last file in it, and nothing else."""
    ingest_notes()
    (below / "a.md").unlink()
    assert ingest(store, [below]).removed == ("sub/a.md",)
    (below / "b.md").rename(below / "c.md")
    assert ingest(store, [below]).moved == ("c.md",)
    (below / "c.md").unlink()
    assert ingest(store, [below]).removed == ("c.md",)
    assert paths(store) == ["bank.yaml", "regularization.md"]
    check_generation(store)
    with pytest.raises(ReadError, match="no files in it"):
        ingest(store, [below])


def shut(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let a folder be one that cannot be listed, which for root there is none."""
    walk, access = os.walk, os.access
    patch.setattr(os, "walk", lambda base, **how: (row for row in walk(base, **how) if row[0] != str(folder)))
    patch.setattr(os, "access", lambda path, mode: path != folder and access(path, mode))


@in_a_folder
def test_what_a_shut_folder_holds_stays(
    store: Store, below: Path, ingest_notes: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This test ensures that files are not taken for deleted where their folder cannot be listed."""
    ingest_notes()
    before = paths(store)
    shut(below, monkeypatch)
    assert ingest_notes().removed == ()
    assert paths(store) == before


def test_a_rebuild_keeps_what_a_shut_folder_holds(
    store: Store, notes: Path, below: Path, ingest_notes: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This test ensures that its passages are in the new generation, copies among them, that what was deleted
    elsewhere goes and is told, and that all of it is read anew once the folder can be listed again.
    """
    (below / "c.md").write_text((below / "b.md").read_text(encoding="utf-8"), encoding="utf-8")
    ingest_notes()
    before = contents(store)
    (notes / "bank.yaml").unlink()
    with monkeypatch.context() as patch:
        shut(below, patch)
        report = ingest(store, [], rebuild=True)
        assert (report.new, report.removed, report.unchanged) == (("regularization.md",), ("bank.yaml",), 3)
        kept = contents(store)
        assert kept == {i: text for i, text in before.items() if i in kept}
        assert len(kept) == len(before) - 2
        check_generation(store)
        assert ingest_notes().generation is None
    assert ingest_notes().changed == ("sub/a.md", "sub/b.md", "sub/c.md")
    assert contents(store) == kept
    check_generation(store)


@in_a_folder
def test_a_folder_of_a_root_that_is_gone_loses_nothing(store: Store, below: Path, ingest_notes: Ingest) -> None:
    """This test ensures that what came from it stays until the root itself is ingested."""
    ingest_notes()
    below.rename(below.parent.with_name("elsewhere"))
    with pytest.raises(ReadError, match="2 indexed files came from it; put it back"):
        ingest(store, [below])
    assert len(paths(store)) == 4


@in_a_folder
def test_a_wider_root_takes_over_what_lies_in_it(store: Store, notes: Path, below: Path, ingest_notes: Ingest) -> None:
    """This test ensures that nothing is lost or there twice, and that only what is deleted goes."""
    drafts = notes / "drafts"
    drafts.mkdir()
    (drafts / "own.md").write_text("# Own\n\nStacking learns from learners.\n", encoding="utf-8")
    (notes / ".prepignore").write_text("drafts/\n")
    ingest(store, [below, drafts])
    (below / "b.md").unlink()
    assert ingest_notes().removed == ("b.md",)
    assert paths(store) == ["bank.yaml", "own.md", "regularization.md", "sub/a.md"]
    assert sum("Boosting" in text or "Stacking" in text for text in contents(store).values()) == 2
    check_generation(store)
    assert ingest_notes().generation is None


@in_a_folder
def test_bad_files_are_reported_and_the_rest_is_indexed(store: Store, notes: Path, ingest_notes: Ingest) -> None:
    """This test ensures that one bad file never stops a run and that each gets its reason."""
    (notes / "broken.pdf").write_bytes(b"%PDF-1.7\nnot really")
    (notes / "picture.md").write_bytes(bytes(range(256)) * 40)
    (notes / "photo.jpg").write_bytes(b"\xff\xd8")
    report = ingest_notes()
    assert {path for path, _ in report.failed} == {"broken.pdf", "picture.md"}
    assert report.skipped == (("photo.jpg", "no reader for .jpg files"),)
    assert report.passages == 4


@in_a_folder
def test_a_file_is_read_once_there_is_a_reader_for_it(
    store: Store, notes: Path, ingest_notes: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This test ensures that an update of the program reaches files that it could not read before."""
    with monkeypatch.context() as patch:
        patch.delitem(READERS, ".yaml")
        assert ingest_notes().skipped == (("bank.yaml", "no reader for .yaml files"),)
        assert ingest_notes().generation is None
    assert ingest_notes().skipped == ()
    check_generation(store)
    assert Manifest.read(store.current()).by_path()["bank.yaml"].passages == 2


def test_a_library_inside_its_own_folder_does_not_read_itself(notes: Path, encoders: Path) -> None:
    """This test ensures that `prep ingest . --index ./index` never indexes the index."""
    store = Home(notes / "index", encoders)
    ingest(store, [notes])
    report = ingest(store, [notes])
    assert (report.new, report.changed, report.unchanged) == ((), (), 2)


def test_what_stops_a_writer_after_its_commit_takes_nothing_back(
    home: Home, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This test ensures that a generation that is live stays, however its writer ends."""

    def stopped(self: Home) -> None:
        if self.current_name() == "000002":
            raise KeyboardInterrupt

    ingest(home, [notes])
    (notes / "new.md").write_text("# Boosting\n\nTrees one after the other.\n", encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(Home, "_prune", stopped)
        with pytest.raises(KeyboardInterrupt):
            ingest(home, [notes])
    check_generation(home)
    assert ingest(home, [notes]).generation is None


def test_a_dry_run_changes_nothing(store: Store, ingest_notes: Ingest) -> None:
    """This test ensures that --dry-run only tells."""
    report = ingest_notes(dry_run=True)
    assert (sorted(report.new), store.current_name()) == (["bank.yaml", "regularization.md"], None)


def test_two_roots_live_in_one_library(store: Store, notes: Path, tmp_path: Path) -> None:
    """This test ensures that a second folder adds to the first, also where file names clash."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "regularization.md").write_text("# Other\n\nA different text about weight decay.\n", encoding="utf-8")
    ingest(store, [notes])
    report = ingest(store, [other])
    assert report.new == ("other/regularization.md",)
    assert {"bank.yaml", "regularization.md"} <= set(Manifest.read(store.current()).by_path())
    check_generation(store)


def test_one_file_alone_can_be_ingested_and_rebuilt(store: Store, notes: Path) -> None:
    """This test ensures that a rebuild does not pull in the file's whole folder."""
    ingest(store, [notes / "bank.yaml"])
    ingest(store, [], rebuild=True)
    assert list(Manifest.read(store.current()).by_path()) == ["bank.yaml"]


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_nothing_to_ingest_is_an_error(store: Store, tmp_path: Path, name: str) -> None:
    """This test ensures that a wrong path and an empty folder say so."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReadError, match=name):
        ingest(store, [tmp_path / name])


@in_a_folder
def test_a_root_that_is_gone_loses_nothing(store: Store, notes: Path, ingest_notes: Ingest) -> None:
    """This test ensures that an unplugged disk does not empty the library."""
    ingest_notes()
    notes.rename(notes.with_name("elsewhere"))
    with pytest.raises(ReadError, match="put it back"):
        ingest_notes()
    assert len(contents(store)) == 4


def test_an_index_of_another_encoder_asks_for_a_rebuild(store: Store, ingest_notes: Ingest) -> None:
    """This test ensures that vectors of two encoders never meet, for writers and readers."""
    ingest_notes()
    path = store.current() / "manifest.json"
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, "encoder": "other@123/text-v1"}))
    for use in (ingest_notes, lambda: Library(store)):
        with pytest.raises(FingerprintError, match=r"other@123.*prep ingest --rebuild"):
            use()
    ingest_notes(rebuild=True)
    check_generation(store)


def test_a_second_writer_is_refused(store: Store, ingest_notes: Ingest) -> None:
    """This test ensures that ingest asks for the lock."""
    with store.writing(), pytest.raises(LockedError, match="--wait"):
        ingest_notes()


def test_a_failed_write_leaves_the_live_generation(
    store: Store, notes: Path, ingest_notes: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This test ensures that an error in the middle of a commit costs nothing but the new generation."""
    ingest_notes()
    before = contents(store)
    (notes / "new.md").write_text("# New\n\nSomething about boosting.\n", encoding="utf-8")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "write", full)
        with pytest.raises(Exception, match="disk is full"):
            ingest_notes()
    assert contents(store) == before
    assert ingest_notes().new == ("new.md",)
    check_generation(store)


@in_a_folder
def test_ignored_files_hidden_folders_and_outward_links_are_left_out(store: Store, notes: Path, tmp_path: Path) -> None:
    """This test ensures that .prepignore and the defaults hold, and that links do not lead out of the root."""
    (notes / ".prepignore").write_text("drafts/\n")
    for folder in ("drafts", ".hidden", "node_modules"):
        (notes / folder).mkdir()
        (notes / folder / "x.md").write_text("# X\n\nText of this file.\n")
    outside = tmp_path / "outside.md"
    outside.write_text("# Secret\n\nNot in the root.\n")
    (notes / "link.md").symlink_to(outside)
    (notes / "loop").symlink_to(notes)
    assert sorted(ingest(store, [notes]).new) == ["bank.yaml", "regularization.md"]


def test_sources_are_taken_out_by_either_name(store: Store, notes: Path, ingest_notes: Ingest) -> None:
    """This test ensures that a source goes by its path in the library or on disk, its file staying where it is."""
    ingest_notes()
    assert remove(store, ["bank.yaml"]).removed == ("bank.yaml",)
    assert remove(store, [str(notes)]).removed == ("regularization.md",)
    assert (Manifest.read(store.current()).passages, len(list(notes.iterdir()))) == (0, 2)
    with pytest.raises(QueryError, match=r"no source 'bank\.yaml'.*prep status"):
        remove(store, ["bank.yaml"])
    check_generation(store)


@in_a_folder
def test_columns_named_by_hand_are_remembered(store: Store, tmp_path: Path) -> None:
    """This test ensures that a bank with columns of its own is read, and read again when it changes or moves."""
    folder = tmp_path / "banks"
    folder.mkdir()
    row = "What is recall?,The share of positives that are found.\n"
    (folder / "a.csv").write_text("Stimulus,Key\n" + row)
    entry = {"Stimulus": "What is precision?", "Key": "The share of findings that are right."}
    (folder / "b.json").write_text(json.dumps([entry]))
    report = ingest(store, [folder])
    assert all("--columns" in why for _, why in report.failed)
    assert len(report.failed) == 2
    report = ingest(store, [folder], columns=(("question", "stimulus"), ("answer", "Key")))
    assert (report.changed, report.failed, report.passages) == (("a.csv", "b.json"), (), 2)
    (folder / "c.csv").write_text("Stimulus,Key\nWhat is F1?,The harmonic mean of both.\n")
    assert ingest(store, [folder]).passages == 3
    assert ingest(store, [], rebuild=True).passages == 3


@in_a_folder
def test_a_language_is_noted_and_advice_given(store: Store, notes: Path, ingest_notes: Ingest) -> None:
    """This test ensures that text that is not English is indexed, named, and met with a model that fits it."""
    german = "Überanpassung heißt, dass ein Modell die Trainingsdaten auswendig lernt und auf neuen Daten versagt. "
    (notes / "deutsch.md").write_text(f"# Überanpassung\n\n{german * 2}\n", encoding="utf-8")
    assert ingest_notes().passages == 5
    manifest = Manifest.read(store.current())
    assert {r.path: r.language for r in manifest.sources} == {
        "bank.yaml": "en",
        "deutsch.md": "de",
        "regularization.md": "en",
    }
    advice = language_advice(manifest)
    assert advice
    assert advice.startswith("1 source is not in English (de); the bundled encoder is English")
    assert "--rebuild --model" in advice
