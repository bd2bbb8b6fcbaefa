"""The worker process that reads untrusted files: `python -m ingest.read_worker`, driven by ingest/workers.py.

Requests and replies are pickles behind their length, on stdin and stdout. First comes the
tokenizer whose word pieces count, answered by READY, then one Task after the other; each is answered by a Reading,
or by the sentence that says why there is none. The process ends itself when a file takes
too long, from a thread of C that needs no interpreter lock, so that no reader can hold it
up and none is left behind when the parent dies; memory is bounded where the platform can.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import struct
import sys
from typing import IO, Any

MEMORY_BYTES = 2 * 2**30
OUT_OF_MEMORY = 86
"""Exit code of a worker that met its limit."""

READY = "ready"
"""The first reply, before any task: the tokenizer is loaded."""

_LENGTH = struct.Struct(">Q")
_SECONDS, _SECONDS_PER_MB = 60.0, 10.0


def seconds_for(size: int) -> float:
    """Return how long a file of so many bytes may take."""
    return _SECONDS + _SECONDS_PER_MB * size / 2**20


def send(stream: IO[bytes], value: Any) -> None:
    """Write one value. Raises OSError where the other side is gone."""
    data = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one value. Raises EOFError where the other side is gone."""
    head = stream.read(_LENGTH.size)
    data = stream.read(_LENGTH.unpack(head)[0]) if len(head) == _LENGTH.size else b""
    if not data:
        raise EOFError
    return pickle.loads(data)  # noqa: S301 (both sides are this program)


def limit_memory() -> None:
    """Bound the address space where the platform has such a bound (Linux; macOS takes the number and ignores it)."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it closes the pipe
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, sys.stdout.fileno())  # what a library prints must not get between the replies
    limit_memory()
    try:
        _serve(sys.stdin.buffer, replies, silence)
    except (EOFError, BrokenPipeError):
        os._exit(0)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


def _serve(requests: IO[bytes], replies: IO[bytes], silence: int) -> None:
    from ingest.decode import message
    from ingest.reading import Reading, read_passages
    from retrieval.errors import ReadError
    from retrieval.word_pieces import WordPieces

    pieces = WordPieces(*receive(requests))
    send(replies, READY)
    while True:
        task, seconds = receive(requests)
        reply: Reading | str
        faulthandler.dump_traceback_later(seconds, exit=True, file=silence)
        try:
            reply = read_passages(task, pieces)
        except ReadError as error:
            reply = message(str(error))
        finally:
            faulthandler.cancel_dump_traceback_later()
        send(replies, reply)


if __name__ == "__main__":
    main()
