"""The house: which package may import which, and which library lives in which room."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("retrieval", "ingest", "evals", "ui")
ROOMS = {
    "chromadb": {"retrieval/index.py", "retrieval/server.py"},  # in this process; on another machine
    "sentence_transformers": {"retrieval/encoder.py", "retrieval/reranker.py"},
    "tokenizers": {"retrieval/word_pieces.py"},
    "onnxruntime": {"retrieval/onnx_export.py"},
    "torch": {
        "retrieval/encoder.py",
        "retrieval/half.py",
        "retrieval/onnx_export.py",
        "retrieval/reranker.py",
        "retrieval/adapter.py",
        "evals/train/contrastive.py",
        "evals/train/late.py",
    },
    "peft": {"evals/train/contrastive.py"},
    "bm25s": {"retrieval/lexical.py"},
    "pypdf": {"ingest/readers/pdf.py"},
    "ir_measures": {"evals/metrics.py"},
    "openai": {"retrieval/llm.py"},
    "mcp": {"ui/mcp_server.py"},
    "keyring": {"ui/model_choice.py"},
}


def imports() -> Iterator[tuple[str, str, bool]]:
    """Yield (file, top-level module, whether at module level) of every import of the four packages."""
    for package in FLOORS:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if name.startswith("evals/bench/"):
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.Import):
                    modules = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    modules = [node.module]
                else:
                    continue
                for module in modules:
                    yield name, module.split(".")[0], node in tree.body


def test_packages_import_downwards_only() -> None:
    """This test ensures that the arrows ui -> evals -> ingest -> retrieval are never turned round."""
    wrong = [
        (name, module)
        for name, module, _ in imports()
        if module in FLOORS and FLOORS.index(module) > FLOORS.index(name.split("/")[0])
    ]
    assert wrong == []


@pytest.mark.parametrize("library", sorted(ROOMS))
def test_a_library_stays_in_its_room(library: str) -> None:
    """This test ensures that a library's quirks end in one file, and that it is imported only when needed."""
    users = {(name, top) for name, module, top in imports() if module == library}
    assert {name for name, _ in users} <= ROOMS[library]
    assert not any(top for _, top in users)


def test_streamlit_stays_in_the_ui() -> None:
    """This test ensures that nothing below the app imports streamlit."""
    assert all(name.startswith("ui/") for name, module, _ in imports() if module == "streamlit")
