"""Worker processes that read files ahead of the encoder, each file within limits of time and memory.

A worker is a plain child process that talks over its pipes (ingest/read_worker.py), so that
it starts the same under the command, the app, a notebook and a test; multiprocessing would
run the caller's main module again. One that dies takes one file with it: the file gets its
reason, the next file a fresh worker.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import IO

from ingest import read_worker
from ingest.decode import message
from ingest.reading import Reading, Task
from retrieval.errors import ReadError
from retrieval.models import ModelFiles

_FILES_PER_WORKER = 50
_MOST_WORKERS = 4

Outcome = tuple[Task, Reading | str]
"""A task with what it gave, or with the sentence that says why it gave nothing."""


class Workers:
    """Reads all tasks, ahead of whoever takes the outcomes. Use it as a context manager; leaving it ends the processes.

    Workers start at once, so that their start-up runs beside that of the encoder.
    """

    def __init__(self, model: ModelFiles, tasks: Sequence[Task]) -> None:
        count = max(1, min(_MOST_WORKERS, (os.cpu_count() or 1) // 2, len(tasks) // _FILES_PER_WORKER))
        self._left = len(tasks)
        self._workers = [_Worker(model) for _ in range(count)]
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._done: SimpleQueue[Future[Outcome]] = SimpleQueue()
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="prepdesk-read")
        for task in tasks:
            self._pool.submit(self._read, task).add_done_callback(self._done.put)

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.kill()
        self._pool.shutdown()
        for worker in self._workers:
            worker.release()

    def batches(self) -> Iterator[list[Outcome]]:
        """Yield what has been read since the last batch, in the order of completion, until every task is done."""
        while self._left:
            ready = [self._done.get().result()]
            while not self._done.empty():
                ready.append(self._done.get().result())
            self._left -= len(ready)
            yield ready

    def _read(self, task: Task) -> Outcome:
        worker = self._idle.get()
        try:
            return task, worker.read(task)
        finally:
            self._idle.put(worker)


class _Worker:
    """One process, started again when it has died."""

    def __init__(self, model: ModelFiles) -> None:
        self._model = model
        self._closing = threading.Lock()
        self._closed = False
        self._ready = False
        self._process = self._start()

    def read(self, task: Task) -> Reading | str:
        """Return what the file gave, or why it gave nothing. Raises ReadError where no process can be started."""
        self._wake()
        seconds = read_worker.seconds_for(_size(task.file))
        started = time.monotonic()
        try:
            read_worker.send(self._requests, (task, seconds))
            reply: Reading | str = read_worker.receive(self._replies)
        except (EOFError, OSError):
            code = self._process.wait()
            return message(f"{task.file.name}: {_reason(code, time.monotonic() - started, seconds)}")
        return reply

    def kill(self) -> None:
        """End the process for good; a file that is being read fails at once."""
        with self._closing:
            self._closed = True
            self._process.kill()

    def release(self) -> None:
        """Give back the pipes of a process that has ended."""
        self._process.wait()
        for pipe in (self._requests, self._replies):
            with contextlib.suppress(OSError):  # what was not yet sent has nobody to go to
                pipe.close()

    def _wake(self) -> None:
        """Wait until the process is ready, starting it again where the last file killed it."""
        with self._closing:
            if self._process.poll() is not None and not self._closed:
                self.release()
                self._process, self._ready = self._start(), False
        if not self._ready:
            try:
                read_worker.send(self._requests, (self._model.tokenizer, self._model.max_tokens))
                self._ready = read_worker.receive(self._replies) == read_worker.READY
            except (EOFError, OSError) as error:
                code = self._process.wait()
                raise ReadError(
                    f"the process that reads files ends at its start (code {code}); install prepdesk again"
                ) from error

    @property
    def _requests(self) -> IO[bytes]:
        assert self._process.stdin
        return self._process.stdin

    @property
    def _replies(self) -> IO[bytes]:
        assert self._process.stdout
        return self._process.stdout

    def _start(self) -> subprocess.Popen[bytes]:
        # -P and no working folder on the path: a folder of notes may hold a json.py.
        root = str(Path(__file__).resolve().parents[1])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        return subprocess.Popen(
            [sys.executable, "-P", "-m", read_worker.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Threads of numerical libraries reserve memory that the limit would count.
            env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _reason(code: int, taken: float, seconds: float) -> str:
    if code == read_worker.OUT_OF_MEMORY:
        return f"reading it needs more than {read_worker.MEMORY_BYTES // 2**30} GB of memory; split the file"
    if taken >= seconds:
        return f"reading it took longer than {seconds:.0f} s; split the file"
    how = f"signal {-code}" if code < 0 else f"code {code}"
    return f"its reader crashed ({how}); get a fresh copy of the file, or name it in .prepignore"
