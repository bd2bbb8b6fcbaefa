"""A Chroma server that searches sparse vectors, as far as a test can have one: a real `chroma run` behind a desk.

No server with such a search runs on one machine. What single-node Chroma answers itself is passed on
to it; what it refuses is answered here, in the shapes of its own OpenAPI description, which has the
calls of the distributed server too: collections with a schema, sparse vectors in metadata, `/search`.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from retrieval.index import HNSW
from retrieval.sparse import KEY
from tests.door import serving

_COLLECTIONS = re.compile(r"/api/v2/tenants/[^/]+/databases/[^/?]+/collections(?:\?.*)?$")
_OF_ONE = re.compile(r"(?P<place>.*/collections/(?P<id>[^/?]+))(?:/(?P<verb>\w+))?$")

Json = Any


class SparseServer(ThreadingHTTPServer):
    """`schemas` are those of the collections that were made with one, `vectors` by collection and record.

    `postings` are the vectors' values by collection, dimension and record.
    """

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.schemas: dict[str, Json] = {}
        self.vectors: dict[str, dict[str, Json]] = defaultdict(dict)
        self.postings: dict[str, dict[int, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
        self.searches = 0
        self.refusal = 0  # a status to answer searches with, if any

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: SparseServer

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        said = json.loads(raw) if raw else None
        of_one = _OF_ONE.match(self.path)
        if self.command == "POST" and _COLLECTIONS.match(self.path):
            self._answer(*self._make(said))
        elif of_one and of_one["verb"] == "search" and self.server.refusal:
            self._answer(self.server.refusal, {"error": "ChromaError", "message": "not now"})
        elif of_one and of_one["verb"] == "search":
            self._answer(200, self._search(of_one["place"], of_one["id"], said))
        elif of_one and of_one["verb"] == "upsert":
            self._answer(*self._upsert(of_one["id"], said))
        else:
            status, answer = self._pass_on(self.path, said)
            self._answer(status, self._with_vectors(of_one["id"], answer) if of_one else self._with_schemas(answer))

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 (http.server's names)

    def _make(self, said: Json) -> tuple[int, Json]:
        """Make a collection, with the distance of its schema where it has one, and a graph of our usual size."""
        if schema := said.pop("schema", None):
            index = schema["keys"]["#embedding"]["float_list"]["vector_index"]
            said["configuration"] = {"hnsw": {**HNSW, "space": index["config"]["space"]}}
        status, made = self._pass_on(self.path, said)
        if schema and status == 200:
            self.server.schemas[made["id"]] = schema
        return status, self._with_schemas(made)

    def _upsert(self, collection: str, said: Json) -> tuple[int, Json]:
        """Write records, their sparse vectors here."""
        for id_, metadata in zip(said["ids"], said.get("metadatas") or [], strict=False):
            if metadata and KEY in metadata:
                vector = self.server.vectors[collection][id_] = metadata.pop(KEY)
                for dimension, value in zip(vector["indices"], vector["values"], strict=True):
                    self.server.postings[collection][dimension][id_] = value
        return self._pass_on(self.path, said)

    def _search(self, place: str, collection: str, said: Json) -> Json:
        """Answer each search with the records whose inner product is highest; a score is a distance, its negative."""
        found = [self._ranked(place.removeprefix(self.server.target), collection, one) for one in said["searches"]]
        self.server.searches += len(found)
        none = [None] * len(found)
        return {
            "ids": [[id_ for id_, _ in ranked] for ranked in found],
            "scores": [[score for _, score in ranked] for ranked in found],
            "documents": none,
            "embeddings": none,
            "metadatas": none,
            "select": [one["select"]["keys"] for one in said["searches"]],
        }

    def _ranked(self, place: str, collection: str, search: Json) -> list[tuple[str, float]]:
        _, rows = self._pass_on(f"{place}/get", {"where": search["filter"], "include": []})
        there = set(rows["ids"])
        if search["rank"] is None:
            return [(id_, 0.0) for id_ in sorted(there)[: search["limit"]["limit"]]]
        knn = search["rank"]["$knn"]
        assert self.server.schemas[collection]["keys"][knn["key"]]["sparse_vector"]["sparse_vector_index"]["enabled"]
        assert knn["query"]["#type"] == "sparse_vector"
        scores: dict[str, float] = defaultdict(float)
        for dimension, weight in zip(knn["query"]["indices"], knn["query"]["values"], strict=True):
            for id_, value in self.server.postings[collection].get(dimension, {}).items():
                if id_ in there:
                    scores[id_] -= weight * value
        return sorted(scores.items(), key=lambda pair: pair[1])[: knn["limit"]][: search["limit"]["limit"]]

    def _with_schemas(self, answer: Json) -> Json:
        for one in answer if isinstance(answer, list) else [answer]:
            if isinstance(one, dict) and one.get("id") in self.server.schemas:
                one["schema"] = self.server.schemas[one["id"]]
        return answer

    def _with_vectors(self, collection: str, answer: Json) -> Json:
        """Give a record its sparse vector back; what is asked by the name of a collection gets its schema."""
        vectors = self.server.vectors[collection]
        if isinstance(answer, dict) and answer.get("metadatas") and vectors:
            for id_, metadata in zip(answer["ids"], answer["metadatas"], strict=True):
                metadata[KEY] = vectors[id_]
        return self._with_schemas(answer)

    def _pass_on(self, path: str, said: Json) -> tuple[int, Json]:
        body = None if said is None else json.dumps(said).encode()
        command = "POST" if path.endswith("/get") else self.command
        request = urllib.request.Request(self.server.target + path, body, method=command)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def _answer(self, status: int, said: Json) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def sparse_server(target: str) -> Iterator[SparseServer]:
    """Serve before a Chroma server."""
    with serving(SparseServer(target)) as server:
        yield server
