"""The doctor: finds what is damaged, mends it without embedding anything, and says what it did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.doctor import Finding, examine
from ingest.pipeline import Report
from retrieval import Library
from retrieval.errors import IndexCorruptError
from retrieval.index import DenseIndex
from retrieval.manifest import Manifest
from retrieval.search import Filters
from retrieval.store import Home
from tests.invariants import check_generation, check_same_state, state_of

Ingest = Callable[..., Report]


def wrong(home: Home, *, fix: bool = False) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(home, fix=fix) if not finding.ok}


@pytest.fixture
def sound(home: Home, ingest_notes: Ingest) -> Home:
    """A library in which nothing is wrong."""
    ingest_notes()
    assert wrong(home) == {}
    return home


@pytest.mark.parametrize(
    ("file", "check", "words"),
    [
        ("lexical/ids.npy", "lexical index", "built anew from 4 passages"),
        ("lexical/words/data.csc.index.npy", "lexical index", "built anew from 4 passages"),
        ("replica/vectors/vectors.npy", "replica", "made anew from the vector index"),
        ("replica/questions/ids.npy", "replica", "made anew from the vector index"),
        ("replica/passages/lines.jsonl", "replica", "made anew from the vector index"),
        ("topics.json", "topics", "made anew"),
        ("texts/*.txt", "texts", "2 files read again into generation 000002, 0 texts embedded"),
        ("texts/*.lines", "texts", "2 files read again into generation 000002, 0 texts embedded"),
        ("chroma/chroma.sqlite3", "vectors", "2 files read again into generation 000002, 0 texts embedded"),
    ],
)
def test_a_flipped_bit_is_found_and_mended(sound: Home, file: str, check: str, words: str) -> None:
    """This test ensures that damage to any part is named, mended from what is whole, and embeds nothing."""
    before = state_of(sound)
    path = sorted(sound.current().glob(file))[0]
    content = bytearray(path.read_bytes())
    at = 0 if file.endswith("sqlite3") else len(content) // 3  # SQLite notices only what it reads
    content[at : at + 60] = bytes(60)
    path.unlink()  # it may be linked to the one of another generation
    path.write_bytes(content)
    assert "prep doctor --fix" in wrong(sound)[check].detail
    mended = wrong(sound, fix=True)
    assert (list(mended), mended[check].fixed) == ([check], True)
    assert words in mended[check].detail
    assert wrong(sound) == {}
    check_generation(sound)
    check_same_state(state_of(sound), before)


def test_lost_vectors_are_taken_from_those_that_are_kept(sound: Home) -> None:
    """This test ensures that passages which left the vector index come back without being embedded."""
    dense = DenseIndex(sound.current() / "chroma")
    dense.delete(dense.ids()[:2])
    dense.close()
    assert "the manifest says 4" in wrong(sound)["vectors"].detail
    mended = wrong(sound, fix=True)
    assert list(mended) == ["vectors"]
    assert "0 texts embedded" in mended["vectors"].detail
    assert wrong(sound) == {}


def test_what_would_have_to_be_embedded_is_left_to_the_user(sound: Home, notes: Path) -> None:
    """This test ensures that --fix never starts an hour of work, and never gives up sources that are gone."""
    dense = DenseIndex(sound.current() / "chroma")
    dense.delete(dense.ids()[:2])
    dense.close()
    notes.rename(notes.with_name("away"))
    assert "cannot be read again" in wrong(sound, fix=True)["vectors"].detail
    notes.with_name("away").rename(notes)
    (sound.path / "vectors.sqlite").unlink()
    assert "run: prep ingest --rebuild" in wrong(sound, fix=True)["vectors"].detail


def test_generations_of_dead_writers_and_a_lost_pointer(sound: Home) -> None:
    """This test ensures that left-overs are removed, and that the newest whole generation is found."""
    (sound.generations / "000007" / "chroma").mkdir(parents=True)
    (sound.path / "CURRENT").write_text("000007\n")
    mended = wrong(sound, fix=True)
    assert {check: finding.fixed for check, finding in mended.items()} == {"live generation": True, "left-overs": True}
    assert [p.name for p in sound.generations.iterdir()] == ["000001"]
    assert Manifest.read(sound.current()).passages == 4


def test_where_no_generation_is_left_the_advice_is_no_circle(sound: Home) -> None:
    """This test ensures that the doctor and the library both send to a rebuild from named folders."""
    (sound.current() / "manifest.json").unlink()
    assert "--rebuild FOLDER" in wrong(sound, fix=True)["live generation"].detail
    with pytest.raises(IndexCorruptError, match="--rebuild FOLDER"):
        sound.current()


def test_a_page_that_cannot_be_read_is_one_sentence(sound: Home, ingest_notes: Ingest) -> None:
    """This test ensures that damage which the vector index shows only when it is read is named, and mended."""
    file = sound.current() / "chroma" / "chroma.sqlite3"
    content = bytearray(file.read_bytes())
    content[8 * 4096 :] = bytes(len(content) - 8 * 4096)
    file.write_bytes(content)
    with pytest.raises(IndexCorruptError, match="prep doctor --fix"), Library(sound) as library:
        library.search("dropout", filters=Filters(kinds=("prose",)))
    assert wrong(sound, fix=True)["vectors"].fixed
    assert wrong(sound) == {}


def test_an_ingest_goes_on_where_the_noted_checksums_are_damaged(
    sound: Home, notes: Path, ingest_notes: Ingest
) -> None:
    """This test ensures that a file which only tells damage does not keep a library from changing."""
    (sound.current() / "checksums.json").write_text("{")
    (notes / "more.md").write_text("# More\n\nBagging averages models fitted on resampled data.\n")
    assert ingest_notes().new == ("more.md",)
    assert wrong(sound) == {}
    check_generation(sound)


def test_an_ingest_beside_a_damaged_lexical_index_says_how_to_mend_it(
    sound: Home, notes: Path, ingest_notes: Ingest
) -> None:
    """This test ensures that rows are not taken over from what is damaged, and that the advice leads on."""
    file = sound.current() / "lexical" / "words" / "vocab.index.json"
    file.write_bytes(file.read_bytes()[:40])
    (notes / "more.md").write_text("# More\n\nBagging averages models fitted on resampled data.\n")
    with pytest.raises(IndexCorruptError, match=r"the lexical index at .* prep doctor --fix"):
        ingest_notes()
    assert list(wrong(sound, fix=True)) == ["lexical index"]
    assert ingest_notes().new == ("more.md",)
    check_generation(sound)
