"""The connection to a Chroma server: chromadb's HTTP client with time limits, its faults as sentences, its return.

It shares the room of chromadb with `index.py`: there stands what is embedded in this process,
here what is asked of another machine. Every call made is one that can be made twice, so that
one that failed for a passing reason is tried again.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from retrieval.arrays import Sparse
from retrieval.errors import GoneError, QueryError, ServerError
from retrieval.index import Where, load_chromadb

T = TypeVar("T")

DEFAULT_TENANT = "default_tenant"
DEFAULT_DATABASE = "default_database"
TIMEOUT = 20.0  # seconds for one answer; a page of 1,000 passages takes well under one
_CLOUD = ".trychroma.com"  # takes its key in a header of its own
_PAGE = 1000  # records in one call
_HOSTED = 300  # records in one call to hosted Chroma, or found by one search there
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_UNKNOWN = (404, 405, 501)  # what a server answers to a call it does not offer
_STRANGE = (KeyError, TypeError, AttributeError, json.JSONDecodeError)  # what an answer of another shape leads to


@dataclass(frozen=True, slots=True)
class Address:
    """Where a library stands on a server; the token is neither shown nor compared. Raises QueryError for no address."""

    url: str
    tenant: str = DEFAULT_TENANT
    database: str = DEFAULT_DATABASE
    token: str | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            fits = False
        if not fits:
            raise QueryError(f"{self.url!r} is no address of a Chroma server; write it like http://localhost:8000")
        if parts.username or parts.password or parts.query:
            raise QueryError("the address of a Chroma server holds no secrets; put its token into PREP_CHROMA_TOKEN")
        if self.token is not None and not re.fullmatch(r"[!-~]+", self.token):
            raise QueryError("PREP_CHROMA_TOKEN is no token: it may hold ASCII letters, digits and punctuation only")

    @property
    def is_hosted(self) -> bool:
        """Whether this is Chroma's own service."""
        return (urlsplit(self.url).hostname or "").endswith(_CLOUD)

    @property
    def api(self) -> str:
        return f"{self.url.rstrip('/')}/api/v2"

    @property
    def path(self) -> str:
        """Where the database stands below `api`."""
        return f"tenants/{quote(self.tenant, '')}/databases/{quote(self.database, '')}"

    @property
    def place(self) -> str:
        """What the library is called in a message."""
        names = (("database", self.database, DEFAULT_DATABASE), ("tenant", self.tenant, DEFAULT_TENANT))
        return ", ".join([self.url, *(f"{what} {name}" for what, name, usual in names if name != usual)])

    @property
    def key(self) -> str:
        """A folder name for what is kept of this library on this machine."""
        whole = "\0".join((self.url.rstrip("/"), self.tenant, self.database))
        host = re.sub(r"[^\w.-]+", "-", urlsplit(self.url).netloc)
        return f"{host}-{hashlib.sha256(whole.encode()).hexdigest()[:12]}"


class Connection:
    """One client of a server. It connects when first used, and again after whatever cut it off."""

    def __init__(self, address: Address, timeout: float = TIMEOUT) -> None:
        self.address = address
        self.timeout = timeout
        self._patience = 0.0
        self._client: Any = None
        self._opened: dict[str, Any] = {}
        self._sparse: bool | None = None
        self._lock = threading.RLock()

    @contextmanager
    def patient(self, seconds: float) -> Iterator[None]:
        """Meanwhile, wait this long for a server that is gone to come back."""
        before, self._patience = self._patience, seconds
        try:
            yield
        finally:
            self._patience = before

    def time(self) -> float:
        """Return the server's clock in seconds, the one that all its clients share."""
        return self.run(lambda: float(self._connected().heartbeat())) / 1e9

    def table(self, name: str, *, make: Mapping[str, Any] | None = None, sparse: str = "") -> Table:
        """Return a collection by name; it is looked up when used, and made where `make` gives its HNSW settings.

        What is made has an index of the sparse vectors in the metadata `sparse`, on a server that has such indexes.
        """
        return Table(self, name, make, sparse)

    def names(self) -> list[str]:
        """Return the names of all collections of the database."""
        return self.run(lambda: [c.name for c in self._connected().list_collections()])

    def drop(self, name: str) -> None:
        """Delete a collection; one that is gone already is no error."""
        try:
            self.run(lambda: self._connected().delete_collection(name))
        except GoneError:
            return

    def close(self) -> None:
        with self._lock:
            client, self._client, self._sparse = self._client, None, None
            self._opened.clear()
        if client is not None:
            for session in _sessions(client):
                session.close()
            client.close()

    def run(self, work: Callable[[], T]) -> T:
        """Do something that asks the server; again at once after a passing fault, then while patience lasts.

        Raises ServerError, of which GoneError says that a collection, a database or a tenant is not there.
        """
        end = time.monotonic() + self._patience
        pause = 0.0
        while True:
            try:
                return work()
            except ServerError:
                raise
            except Exception as error:  # chromadb raises its own, httpx's and bare ones
                fault, passing = _fault(error, self)
                with self._lock:
                    self._opened.clear()
                # A handle outlives its collection: what is gone is looked up by name once more.
                first = pause == 0.0 and isinstance(fault, GoneError)
                if not (passing or first) or (pause and time.monotonic() + pause > end):
                    raise fault from error
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, 2 * pause))

    def collection(self, name: str, make: Mapping[str, Any] | None, sparse: str) -> Any:
        """Return chromadb's handle of a collection."""
        with self._lock:
            if name not in self._opened:
                client = self._connected()
                if make is None:
                    self._opened[name] = client.get_collection(name, embedding_function=None)
                elif sparse:
                    self._opened[name] = self._with_sparse_index(client, name, make, sparse)
                else:
                    self._opened[name] = _made(client, name, make)
            return self._opened[name]

    def _with_sparse_index(self, client: Any, name: str, make: Mapping[str, Any], sparse: str) -> Any:
        """Return a collection as it is, or make it, with an index of sparse vectors where the server has those."""
        from chromadb.errors import NotFoundError

        with suppress(NotFoundError):
            return client.get_collection(name, embedding_function=None)
        if not self._has_sparse_indexes(client):
            return _made(client, name, make)
        schema = _schema(make["space"], sparse)
        return client.get_or_create_collection(name, schema=schema, embedding_function=None)

    def _has_sparse_indexes(self, client: Any) -> bool:
        """Tell whether the server searches sparse vectors: one that does answers a search, of whatever collection.

        The single-node server answers 501, one that knows no search 404 or 405. It is asked before
        a collection is made: an old server overlooks the schema, and the distance with it.
        """
        if self._sparse is None:
            from chromadb import Search
            from chromadb.errors import NotFoundError

            collections = client.list_collections(limit=1)
            if not collections:
                return False
            answer = _sessions(client)[0].post(
                f"{self.address.api}/{self.address.path}/collections/{collections[0].id}/search",
                json={"searches": [Search().limit(1).to_dict()]},
            )
            if "NotFoundError" in answer.text:
                raise NotFoundError(f"collection {collections[0].name} is gone")
            if answer.status_code in _UNKNOWN:
                self._sparse = False
            else:
                self._sparse = "ids" in answer.raise_for_status().json()
        return self._sparse

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = _client(self.address, self.timeout)
            return self._client


@dataclass(frozen=True)
class Table:
    """A collection, with the calls that are made of one; they raise what `Connection.run` does."""

    connection: Connection
    name: str
    make: Mapping[str, Any] | None = None
    sparse: str = ""

    @property
    def page(self) -> int:
        """How many records one call may give or take."""
        return _HOSTED if self.connection.address.is_hosted else _PAGE

    def at_most(self, count: int) -> int:
        """Return how many records a search for so many may find."""
        return min(count, _HOSTED) if self.connection.address.is_hosted else count

    def has_sparse_index(self, key: str) -> bool:
        """Tell whether the server searches the sparse vectors in a metadata of this collection."""
        return self.connection.run(lambda: _has_sparse_index(self._opened(), key))

    def get(self, **arguments: Any) -> Any:
        return self._call("get", arguments)

    def query(self, **arguments: Any) -> Any:
        return self._call("query", arguments)

    def search(self, key: str, vectors: Sequence[Sparse], count: int, where: Where | None) -> list[list[str]]:
        """Return the `count` records nearest to each of some sparse vectors by those in a metadata, best first."""
        from chromadb import Knn, Search

        among = Search(where=dict(where) if where else None).limit(count)
        searches = [among.rank(Knn(query=_as_chroma(vector), key=key, limit=count)) for vector in vectors]
        return list(self._call("search", {"searches": searches})["ids"])

    def upsert(self, *, metadatas: Sequence[Mapping[str, Any]] | None = None, **arguments: Any) -> None:
        if metadatas is not None:
            arguments["metadatas"] = [{name: _as_chroma(value) for name, value in m.items()} for m in metadatas]
        self._call("upsert", arguments)

    def delete(self, ids: list[str]) -> None:
        self._call("delete", {"ids": ids})

    def _call(self, verb: str, arguments: dict[str, Any]) -> Any:
        return self.connection.run(lambda: getattr(self._opened(), verb)(**arguments))

    def _opened(self) -> Any:
        return self.connection.collection(self.name, self.make, self.sparse)


def _as_chroma(value: Any) -> Any:
    """Return a sparse vector as chromadb has it, and anything else as it is."""
    from chromadb import SparseVector

    return SparseVector(value.indices, value.values) if isinstance(value, Sparse) else value


def _made(client: Any, name: str, make: Mapping[str, Any]) -> Any:
    return client.get_or_create_collection(name, configuration={"hnsw": dict(make)}, embedding_function=None)


def _schema(space: Any, sparse: str) -> Any:
    """Return what a collection indexes: its vectors by the server's own settings, and the sparse ones in a metadata."""
    from chromadb import Schema, SparseVectorIndexConfig, VectorIndexConfig

    schema = Schema().create_index(config=VectorIndexConfig(space=space))
    return schema.create_index(config=SparseVectorIndexConfig(), key=sparse)


def _has_sparse_index(collection: Any, key: str) -> bool:
    types = collection.schema.keys.get(key) if collection.schema else None
    index = types.sparse_vector.sparse_vector_index if types and types.sparse_vector else None
    return bool(index and index.enabled)


def _client(address: Address, timeout: float) -> Any:
    import httpx

    chromadb = load_chromadb()
    settings = chromadb.Settings(anonymized_telemetry=False)
    headers: dict[str, str] = {}
    if address.token is not None:
        header = "X-Chroma-Token" if address.is_hosted else "Authorization"
        headers[header] = address.token if address.is_hosted else f"Bearer {address.token}"
        settings.chroma_client_auth_provider = "chromadb.auth.token_authn.TokenAuthClientProvider"
        settings.chroma_client_auth_credentials = address.token
        settings.chroma_auth_token_transport_header = header
    # chromadb's own first calls wait for ever, and leave sockets open where they fail: try before them.
    with httpx.Client(headers=headers, timeout=timeout) as probe:
        int(probe.get(f"{address.api}/heartbeat").raise_for_status().json()["nanosecond heartbeat"])
        found = probe.get(f"{address.api}/{address.path}")
        if found.status_code == 404:
            raise GoneError(
                f"the Chroma server at {address.url} has no database {address.database} for tenant {address.tenant}; "
                "check PREP_CHROMA_TENANT and PREP_CHROMA_DATABASE, or make it"
            )
        found.raise_for_status()
    client = chromadb.HttpClient(
        address.url.rstrip("/"), settings=settings, tenant=address.tenant, database=address.database
    )
    for session in _sessions(client):
        session.timeout = timeout  # chromadb has no setting for it
    return client


def _sessions(client: Any) -> list[Any]:
    """Return the HTTP sessions of a client, which its own close leaves open: its own and that of its admin client."""
    return [client._server._session, client._admin_client._server._session]


def _fault(error: Exception, connection: Connection) -> tuple[ServerError, bool]:
    """Return the sentence for what chromadb or httpx raised, and whether a second try may do."""
    import httpx
    from chromadb import __version__
    from chromadb.errors import AuthorizationError, ChromaAuthError, NotFoundError

    address = connection.address
    server = f"the Chroma server at {address.url}"
    chain = list(_chain(error))
    status = _status(error)
    if any(isinstance(e, httpx.TimeoutException) for e in chain):
        return ServerError(f"{server} gave no answer within {connection.timeout:g} seconds; try again later"), False
    if any(isinstance(e, httpx.TransportError | ConnectionError) for e in chain) or status in (502, 503, 504):
        return ServerError(f"{server} cannot be reached; start it again, or check the address (--chroma)"), True
    if status in (401, 403) or any(isinstance(e, AuthorizationError | ChromaAuthError) for e in chain):
        what = "needs a token" if address.token is None else "refuses the token it was given"
        return ServerError(f"{server} {what}; set PREP_CHROMA_TOKEN to a valid one"), False
    if missing := next((e for e in chain if isinstance(e, NotFoundError)), None):
        what = f"lacks what was asked of it ({_short(missing, address)})"
        return GoneError(f"{server} {what}; check its tenant and database, or ingest again"), False
    if status in (404, 405, 410) or any(isinstance(e, _STRANGE) for e in chain):
        return ServerError(
            f"{server} does not speak as chromadb {__version__} does; check that it is a Chroma server of version 1, "
            "and bring both to the same version"
        ), False
    if status == 429:
        return ServerError(f"{server} asks for fewer questions at a time; try again later"), False
    return ServerError(f"{server} failed ({_short(error, address)}); its log says more"), False


def _status(error: BaseException) -> int:
    """Return the HTTP status that led to an error, 0 where none did."""
    import httpx

    return next((e.response.status_code for e in _chain(error) if isinstance(e, httpx.HTTPStatusError)), 0)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _short(error: BaseException, address: Address) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return (text.replace(address.token, "...") if address.token else text)[:200]
