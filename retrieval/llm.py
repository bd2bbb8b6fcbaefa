"""One client for every server that speaks OpenAI's chat protocol. Owns `openai`, imported when a model is asked.

Whatever goes wrong leaves here as a ModelError of one sentence, and nothing waits longer than
the backend's time-outs: the wire is read in a thread of its own, so that a server which drips
or stalls cannot hold the caller. The model is given no tools and no key but the backend's own.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from retrieval.errors import ModelError

Message = dict[str, str]

DEFAULT_WINDOW = 4096  # tokens; what Ollama gives a model unless told otherwise, and it cuts without a word
LONGEST = 20_000  # characters of a reply; a model that repeats itself is cut off there
_TRIES = 3
_BACK_OFF = 0.5  # seconds before the second try, doubled before the next
_LIST_TIMEOUT = 5.0
_CONNECT_TIMEOUT = 5.0  # a server that is there accepts at once, however long it then thinks
_OVERFLOW = ("context", "too long", "too many tokens", "maximum length", "exceeds the available")
_WINDOW_FIELDS = ("max_model_len", "context_length", "context_window", "max_context_length", "n_ctx")


@dataclass(frozen=True, slots=True)
class Backend:
    """Where a model is asked: `window` in tokens (0: what the server says), times in seconds.

    `timeout` bounds a whole reply, retries included; `stall` the wait between two pieces of it.
    """

    url: str
    model: str = ""
    key: str = field(default="", repr=False)
    window: int = 0
    timeout: float = 120.0
    stall: float = 20.0

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def local(self) -> bool:
        return self.host in ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Served:
    """A model that a server lists; `window` in tokens, 0 where it does not say."""

    name: str
    window: int = 0


class LanguageModel:
    """The model of a backend. Raises ModelError for an address that is none."""

    def __init__(self, backend: Backend) -> None:
        if not _is_address(backend):
            raise ModelError(f"{backend.url!r} is no address of a model; give one like http://127.0.0.1:11434/v1")
        self.backend = backend
        self._chosen: Served | None = None

    @property
    def name(self) -> str:
        """The model that writes; empty while the server was not asked which it has."""
        return self._chosen.name if self._chosen else self.backend.model

    def served(self) -> list[Served]:
        """Return the models that the server lists. Raises ModelError where it does not answer."""
        self._reach()
        import openai

        try:
            with self._client(min(_LIST_TIMEOUT, self.backend.timeout)) as client:
                return [Served(model.id, _window(model)) for model in client.models.list().data]
        except openai.OpenAIError as error:
            raise self._told(error) from error
        except Exception as error:  # a body that is no list of models fails in many ways
            raise ModelError(f"{self.backend.url} lists no models; it should end in /v1") from error

    def chosen(self) -> Served:
        """Return the model that will be asked, with its window; asks the server for what the backend leaves open.

        A server that lists nothing is no fault where the backend names its model.
        """
        if self._chosen is None:
            self._reach()
            name, window = self.backend.model, self.backend.window
            if not (name and window):
                try:
                    listed = self.served()
                except ModelError:
                    if not name:
                        raise
                    listed = []
                if not name and not listed:
                    raise ModelError(f"{self.backend.url} serves no model; load one, for Ollama: ollama pull llama3.2")
                name = name or listed[0].name
                window = window or next((m.window for m in listed if m.name == name), 0)
            self._chosen = Served(name, window or DEFAULT_WINDOW)
        return self._chosen

    def write(self, messages: Sequence[Message], max_tokens: int) -> Reply:
        """Ask, and return the reply as it comes."""
        return Reply(self, messages, max_tokens)

    def _client(self, timeout: float) -> Any:
        import openai

        # A proxy that the environment names must not see what is meant for this machine; a redirect
        # would carry passages to an address that nobody chose.
        limits = openai.Timeout(timeout, connect=min(_CONNECT_TIMEOUT, timeout))
        http = openai.DefaultHttpx2Client(trust_env=not self.backend.local, follow_redirects=False, timeout=limits)
        key = self.backend.key or "none"
        return openai.OpenAI(base_url=self.backend.url, api_key=key, http_client=http, timeout=limits, max_retries=0)

    def _reach(self) -> None:
        """Raise ModelError where nothing listens on this machine: its own stopped server costs no import of openai."""
        if not self.backend.local:
            return
        try:
            socket.create_connection((self.backend.host, self.backend.port), _CONNECT_TIMEOUT).close()
        except OSError:
            raise self._nothing() from None

    def _nothing(self) -> ModelError:
        return ModelError(f"nothing answers at {self.backend.url}; start the server or check PREP_LLM_URL")

    def _told(self, error: Exception) -> ModelError:
        """Return a fault of the wire as one sentence that says what to do, without the key."""
        import openai

        where, name = self.backend.url, self.name
        said = " ".join(str(getattr(error, "message", error)).split())[:200]
        if self.backend.key:
            said = said.replace(self.backend.key, "***")
        if isinstance(error, ModelError):
            return error
        if isinstance(error, openai.APITimeoutError):
            return ModelError(f"{where} did not answer in time")
        if isinstance(error, openai.APIConnectionError):
            return self._nothing()
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            return ModelError(f"{where} refuses the key; set PREP_LLM_KEY or the keyring entry")
        if isinstance(error, openai.NotFoundError):
            return ModelError(f"{where} has no model {name!r}, or is no such address; see: prep llm")
        if isinstance(error, openai.RateLimitError):
            return ModelError(f"{where} takes no more requests for now (429); try again later")
        if isinstance(error, openai.APIStatusError):
            if error.status_code in (400, 413, 422) and any(sign in said.lower() for sign in _OVERFLOW):
                return ModelError(
                    f"the passages are too long for {name}; set PREP_LLM_WINDOW to the tokens it really reads"
                )
            return ModelError(f"{where} failed with status {error.status_code}: {said}")
        if isinstance(error, openai.APIError):
            return ModelError(f"{where} broke off its answer: {said}")
        return ModelError(f"{where} sent what is no chat stream ({type(error).__name__})")


class Reply:
    """A reply as it comes: iterate once for its pieces of text, then `finish` and `tokens` are known.

    Raises ModelError while iterating. Leaving the loop early ends the request. `finish` is the server's word for
    why the text ended, "length" where it was cut, "stopped" where `stop` was called.
    """

    def __init__(self, model: LanguageModel, messages: Sequence[Message], max_tokens: int) -> None:
        self.finish = ""
        self.tokens: tuple[int, int] | None = None  # of prompt and reply, where the server counts them
        self._model = model
        self._request = {"model": model.chosen().name, "messages": list(messages), **_limits(model, max_tokens)}
        self._pieces: queue.Queue[str | Exception | None] = queue.Queue()
        self._left = threading.Event()

    def stop(self) -> None:
        """End the reply with what has come, from any thread."""
        self._left.set()
        self._pieces.put(None)

    def __iter__(self) -> Iterator[str]:
        backend = self._model.backend
        client = self._model._client(backend.timeout)  # imports openai: not the server's time
        deadline = time.monotonic() + backend.timeout
        length, wait = 0, backend.timeout
        threading.Thread(target=self._read, args=(client, deadline), name="prepdesk-reply", daemon=True).start()
        try:
            while True:
                try:
                    piece = self._pieces.get(timeout=max(0.0, min(wait, deadline - time.monotonic())))
                except queue.Empty:
                    raise ModelError(f"{backend.url} stopped answering; gave up waiting") from None
                if self._left.is_set():
                    self.finish = "stopped"
                    return
                if isinstance(piece, Exception):
                    raise piece
                if piece is None:
                    return
                wait, length = backend.stall, length + len(piece)
                if piece:
                    yield piece
                if length > LONGEST:
                    self.finish = "length"
                    return
        finally:
            self._left.set()
            client.close()

    def _read(self, client: Any, deadline: float) -> None:
        """Read the wire into the queue: text, then None, or the ModelError that ended it."""
        import openai

        try:
            for attempt in range(_TRIES):
                try:
                    self._stream(client)
                    break
                except (openai.RateLimitError, openai.InternalServerError) as error:
                    wait = _retry_after(error) or _BACK_OFF * 2**attempt
                    if attempt + 1 == _TRIES or time.monotonic() + wait >= deadline or self._left.wait(wait):
                        raise
            if not self.finish:
                raise ModelError(f"{self._model.backend.url} broke off its answer")
            self._pieces.put(None)
        except Exception as error:
            self._pieces.put(self._model._told(error))

    def _stream(self, client: Any) -> None:
        with contextlib.closing(client.chat.completions.create(stream=True, **self._request)) as events:
            for event in events:
                if self._left.is_set():
                    return
                if event.usage:
                    self.tokens = (event.usage.prompt_tokens, event.usage.completion_tokens)
                for choice in event.choices[:1]:
                    self.finish = choice.finish_reason or self.finish
                    self._pieces.put(choice.delta.content or "")  # "" while a model thinks: it is alive


def _is_address(backend: Backend) -> bool:
    try:
        return urlsplit(backend.url).scheme in ("http", "https") and bool(backend.host and backend.port)
    except ValueError:  # a port that is none
        return False


def _limits(model: LanguageModel, max_tokens: int) -> dict[str, Any]:
    """Return the options of a request. OpenAI's own models take neither a temperature nor `max_tokens` any more."""
    usage = {"stream_options": {"include_usage": True}}
    if model.backend.host == "api.openai.com":
        return {"max_completion_tokens": max_tokens, **usage}
    return {"max_tokens": max_tokens, "temperature": 0.0, **usage}


def _retry_after(error: Any) -> float:
    """Return the seconds that a refusal asks to wait, 0 where it does not say or says a date."""
    try:
        return max(0.0, float(error.response.headers.get("retry-after", "0")))
    except ValueError:
        return 0.0


def _window(model: Any) -> int:
    """Return the window that a listed model states; servers put it under different names, some inside `meta`."""
    fields: dict[str, Any] = model.model_dump()
    meta = fields.get("meta")
    for known in (fields, meta if isinstance(meta, dict) else {}):
        for name in _WINDOW_FIELDS:
            if isinstance(value := known.get(name), int) and value > 0:
                return value
    return 0
