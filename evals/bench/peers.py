"""The starters of LangChain, LlamaIndex (both over Chroma) and txtai, with the same encoder, as their documents begin.

    python -m evals.bench.peers PEER index FOLDER STORE
    python -m evals.bench.peers PEER ask STORE QUESTION
    python -m evals.bench.peers langchain search STORE VECTORS.npy QUERIES.json

Run with a Python that has the extra `peers`. `search` prints seconds per query as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.models import BASE_MODEL, find_model

_PATTERNS = ("*.md", "*.txt")


def _texts(folder: Path) -> dict[str, str]:
    return {str(p): p.read_text(encoding="utf-8") for pattern in _PATTERNS for p in sorted(folder.rglob(pattern))}


class LangChain:
    """1,000-character pieces with an overlap of 200, in Chroma, through langchain-chroma."""

    def __init__(self, store: Path) -> None:
        from langchain_chroma import Chroma
        from langchain_huggingface import HuggingFaceEmbeddings

        embeddings = HuggingFaceEmbeddings(model_name=str(find_model(BASE_MODEL).folder))
        self.store = Chroma(collection_name="bench", persist_directory=str(store), embedding_function=embeddings)

    def index(self, folder: Path) -> int:
        from langchain_core.documents import Document
        from langchain_text_splitters import RecursiveCharacterTextSplitter

        splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)
        whole = [Document(text, metadata={"source": name}) for name, text in _texts(folder).items()]
        parts = splitter.split_documents(whole)
        for start in range(0, len(parts), 5000):
            self.store.add_documents(parts[start : start + 5000])
        return len(parts)

    def ask(self, question: str) -> str:
        return "\n".join(found.page_content for found in self.store.similarity_search(question, k=5))

    def load(self, vectors: Path) -> None:
        """Put vectors with made-up texts into the store."""
        rows = np.load(vectors)
        collection: Any = self.store._collection
        for start in range(0, len(rows), 5000):
            part = range(start, min(len(rows), start + 5000))
            collection.add(ids=[str(i) for i in part], embeddings=rows[part], documents=[f"passage {i}" for i in part])


class LlamaIndex:
    """The pieces of its own default splitter, 1,024 tokens of which the encoder reads the first 256, in Chroma."""

    def __init__(self, store: Path) -> None:
        import chromadb
        from llama_index.core import Settings
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding
        from llama_index.vector_stores.chroma import ChromaVectorStore

        Settings.embed_model = HuggingFaceEmbedding(model_name=str(find_model(BASE_MODEL).folder))
        Settings.llm = None
        collection = chromadb.PersistentClient(str(store)).get_or_create_collection("bench")
        self.store = ChromaVectorStore(chroma_collection=collection)

    def index(self, folder: Path) -> int:
        from llama_index.core import Document, StorageContext, VectorStoreIndex

        documents = [Document(text=text, metadata={"source": name}) for name, text in _texts(folder).items()]
        context = StorageContext.from_defaults(vector_store=self.store)
        VectorStoreIndex.from_documents(documents, storage_context=context)
        return int(self.store._collection.count())

    def ask(self, question: str) -> str:
        from llama_index.core import VectorStoreIndex

        found = VectorStoreIndex.from_vector_store(self.store).as_retriever(similarity_top_k=5).retrieve(question)
        return "\n".join(node.get_content() for node in found)


class Txtai:
    """Paragraphs, with their texts, in its own store of SQLite and Faiss."""

    def __init__(self, store: Path) -> None:
        from txtai import Embeddings

        self.folder = store
        self.embeddings = Embeddings(path=str(find_model(BASE_MODEL).folder), content=True)
        if store.exists():
            self.embeddings.load(str(store))

    def index(self, folder: Path) -> int:
        self.embeddings.index([part for text in _texts(folder).values() for part in text.split("\n\n") if part.strip()])
        self.embeddings.save(str(self.folder))
        return int(self.embeddings.count())

    def ask(self, question: str) -> str:
        return "\n".join(found["text"] for found in self.embeddings.search(question, 5))


PEERS: dict[str, Any] = {"langchain": LangChain, "llamaindex": LlamaIndex, "txtai": Txtai}


def main() -> None:
    """Do one act with one peer."""
    peer, act, *rest = sys.argv[1:]
    if act == "index":
        print(PEERS[peer](Path(rest[1])).index(Path(rest[0])))
    elif act == "ask":
        print(PEERS[peer](Path(rest[0])).ask(rest[1]))
    else:
        made = LangChain(Path(rest[0]))
        made.load(Path(rest[1]))
        seconds = []
        for query in json.loads(Path(rest[2]).read_text(encoding="utf-8")):
            started = time.perf_counter()
            made.ask(query)
            seconds.append(time.perf_counter() - started)
        print(json.dumps(seconds))


if __name__ == "__main__":
    main()
