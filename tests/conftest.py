"""Shared parts of the tests: the real encoder, small libraries, and no sockets but loopback."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from ingest.pipeline import Report, ingest
from retrieval import Library
from retrieval.encoder import Encoder, open_encoder
from retrieval.library import quiet
from retrieval.models import DEFAULT_MODEL
from retrieval.server import Address
from retrieval.server_store import ServerStore
from retrieval.store import Home, Store
from tests.chroma_server import ChromaServer

quiet()

# A run of the tests tries the same examples each time; `make campaign-properties` looks further, for new ones.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile("steady")

NOTES = """# Regularization

## L1 and L2

L1 regularization adds the sum of absolute weights to the loss and sets many weights to exactly zero.
L2 regularization adds the sum of squared weights and shrinks all of them a little.

## Dropout

Dropout sets each activation to zero with probability p during training, so that units cannot co-adapt.

### When do you prefer L1 over L2?

I prefer L1 when only a few features matter, because it removes the others from the model.
"""

BANK = """title: Small bank
questions:
  - id: small-1
    question: Why is accuracy misleading on imbalanced data?
    answer: |
      A classifier that always predicts the majority class reaches high accuracy and finds no positives.
      Precision, recall and the area under the precision-recall curve show what accuracy hides.
    category: evaluation
    difficulty: easy
    tags: [accuracy, imbalance]
  - id: small-2
    question: What does a learning rate that is too high look like?
    answer: |
      The loss jumps around or diverges to infinity within the first hundred steps.
    category: optimization
    difficulty: easy
    tags: [learning rate]
"""


@pytest.fixture(autouse=True)
def no_model_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test ask the language model of whoever runs it."""
    for name in ("PREP_LLM_URL", "PREP_LLM_MODEL", "PREP_LLM_KEY", "PREP_LLM_WINDOW", "PREP_LLM_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def no_server_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test ask the Chroma server of whoever runs it."""
    for name in ("PREP_CHROMA", "PREP_CHROMA_TOKEN", "PREP_CHROMA_TENANT", "PREP_CHROMA_DATABASE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def no_sockets_but_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail any connection that leaves this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test tried to reach {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the encoder is exported, once for all tests and all processes that run them."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "encoders"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def encoder(encoders: Path) -> Encoder:
    return open_encoder(DEFAULT_MODEL, encoders)


@pytest.fixture
def home(tmp_path: Path, encoders: Path, encoder: Encoder) -> Home:
    return Home(tmp_path / "home", encoders)


@pytest.fixture(scope="session")
def chroma_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaServer]:
    """A real Chroma server, one for all tests."""
    server = ChromaServer(tmp_path_factory.mktemp("chroma"))
    server.start()
    yield server
    server.kill()


def make_server_store(server: ChromaServer, folder: Path, encoders: Path) -> ServerStore:
    """Return a library of its own, with nothing in it yet."""
    address = Address(server.url, database=f"test-{uuid.uuid4().hex[:12]}")
    server.make_database(address.database)
    return ServerStore(address, folder, encoders_at=encoders)


@pytest.fixture
def server_store(
    chroma_server: ChromaServer, tmp_path: Path, encoders: Path, encoder: Encoder
) -> Iterator[ServerStore]:
    """A library of its own on the Chroma server."""
    store = make_server_store(chroma_server, tmp_path / "home", encoders)
    yield store
    store.close()


@pytest.fixture(params=["folder", "server"])
def store(request: pytest.FixtureRequest) -> Store:
    """A library in a folder, then one on a server: what holds of the one holds of the other."""
    made: Store = request.getfixturevalue("home" if request.param == "folder" else "server_store")
    return made


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return write_notes(tmp_path)


def write_notes(base: Path) -> Path:
    """Make a folder with one guide and one bank."""
    folder = base / "notes"
    folder.mkdir()
    (folder / "regularization.md").write_text(NOTES, encoding="utf-8")
    (folder / "bank.yaml").write_text(BANK, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def read_library(tmp_path_factory: pytest.TempPathFactory, encoders: Path, encoder: Encoder) -> Iterator[Library]:
    """The notes, indexed once for all tests that only read them."""
    base = tmp_path_factory.mktemp("read")
    home = Home(base / "home", encoders)
    ingest(home, [write_notes(base)])
    with Library(home) as opened:
        yield opened


@pytest.fixture
def kept_in(home: Home) -> Store:
    """Where `ingest_notes` and `library` keep their library; a module may name another place."""
    return home


@pytest.fixture
def ingest_notes(kept_in: Store, notes: Path) -> Callable[..., Report]:
    """Ingest the notes folder; call it as often as needed."""

    def run(**options: Any) -> Report:
        return ingest(kept_in, [notes], **options)

    return run


@pytest.fixture
def library(kept_in: Store, ingest_notes: Callable[..., Report]) -> Iterator[Library]:
    ingest_notes()
    with Library(kept_in) as opened:
        yield opened
