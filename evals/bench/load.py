"""A library on a Chroma server under load: `python -m evals.bench.load [SECONDS] [PASSAGES] [PEOPLE]`.

Starts `chroma run` on loopback, writes that many made-up passages with random unit vectors (the
worst case of HNSW), opens the library in two processes, each of which lets one question in at a
time as the app does, and has so many people ask: a question, the answer, a pause of one to five
seconds. Reports errors, the times people waited, and the memory of every process.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evals.bench.made import MadeUp
from evals.bench.processes import memory_mb
from retrieval import Library
from retrieval.arrays import Vectors
from retrieval.encoder import open_encoder
from retrieval.errors import PrepdeskError
from retrieval.library import quiet
from retrieval.models import DEFAULT_MODEL
from retrieval.server import Address
from retrieval.server_store import ServerStore

_READERS = 2
_PAUSE = (1.0, 5.0)  # seconds between an answer and the next question
_CHROMA = "import sys; from chromadb.cli.cli import app; sys.argv[0] = 'chroma'; app()"


@dataclass
class Counts:
    """What the people met: seconds they waited for each answer, and sentences they got in the place of one."""

    waited: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


def read(url: str, home: str, encoders: str) -> None:
    """Serve a library on a port of loopback, one JSON line for each question line; the port is told on stdout."""
    store = ServerStore(Address(url), Path(home), encoders_at=Path(encoders), tell=print)
    lock = threading.Lock()
    library = Library(store)
    library.search("warm")
    ready = time.process_time()

    def answer(question: str) -> str:
        with lock:
            try:
                return json.dumps({"hits": len(library.ask(question).hits)})
            except PrepdeskError as error:
                return json.dumps({"error": str(error)})

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write((await asyncio.to_thread(answer, line.decode().strip())).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        print(f"port {server.sockets[0].getsockname()[1]} {ready:.1f}", flush=True)
        await server.serve_forever()

    asyncio.run(run())


async def ask_for(
    seconds: float, ports: list[int], people: int, watched: dict[str, int], words: list[str]
) -> tuple[Counts, list[str]]:
    """Let the people ask; return what they met, and the memory of the processes ten times over the run."""
    counts, memory = Counts(), []
    end = time.monotonic() + seconds

    async def person(n: int) -> None:
        chance = random.Random(n)
        reader, writer = await asyncio.open_connection("127.0.0.1", ports[n % len(ports)])
        await asyncio.sleep(chance.uniform(0, _PAUSE[1]))
        while time.monotonic() < end:
            question = f"what does {' '.join(chance.choices(words, k=3))} do in note {chance.randrange(1000)}"
            began = time.monotonic()
            writer.write(question.encode() + b"\n")
            said = json.loads(await reader.readline())
            counts.waited.append(time.monotonic() - began)
            if "error" in said:
                counts.errors[said["error"]] += 1
            await asyncio.sleep(chance.uniform(*_PAUSE))
        writer.close()

    async def look() -> None:
        for _ in range(11):
            memory.append(", ".join(f"{name} {memory_mb(pid):.0f} MB" for name, pid in watched.items()))
            await asyncio.sleep(seconds / 10)

    await asyncio.gather(look(), *(person(n) for n in range(people)))
    return counts, memory


def main() -> None:
    quiet()
    if "--reader" in sys.argv:
        read(*sys.argv[2:])
        return
    seconds, count, people = (int(v) for v in [*sys.argv[1:], *("60", "10000", "50")[len(sys.argv) - 1 :]])
    with tempfile.TemporaryDirectory() as folder:
        _measure(Path(folder), seconds, count, people)


def _measure(base: Path, seconds: int, count: int, people: int) -> None:
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    processes: list[subprocess.Popen[Any]] = [
        subprocess.Popen(
            [sys.executable, "-c", _CHROMA, "run", "--path", str(base / "data"), "--port", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    ]
    try:
        _await(url)
        store = ServerStore(Address(url), base / "writer", encoders_at=base / "encoders")
        encoder = open_encoder(DEFAULT_MODEL, store.encoders)
        began = time.monotonic()
        made = MadeUp(count)
        made.write(store, encoder, _random_vectors(count, encoder.dimensions))
        print(f"written: {count} passages in {time.monotonic() - began:.0f} s", flush=True)
        ports = []
        for n in range(_READERS):
            command = [sys.executable, "-m", "evals.bench.load", "--reader", url]
            began = time.monotonic()
            reader = subprocess.Popen(
                [*command, str(base / f"reader-{n}"), str(store.encoders)], stdout=subprocess.PIPE, text=True
            )
            processes.append(reader)
            assert reader.stdout
            _, told, computed = next(line for line in reader.stdout if line.startswith("port ")).split()
            ports.append(int(told))
            took = time.monotonic() - began
            print(f"reader {n} ready in {took:.1f} s, {computed} s of computing, from nothing", flush=True)
        watched = {"server": processes[0].pid, **{f"reader {n}": p.pid for n, p in enumerate(processes[1:])}}
        counts, memory = asyncio.run(ask_for(seconds, ports, people, watched, made.words))
        print("\n".join(memory))
        print(f"{len(counts.waited)} answers to {people} people in {seconds} s, {counts.errors.total()} errors")
        print(*(f"{n} x {error}" for error, n in counts.errors.most_common(5)), sep="\n")
        for share in (50, 95, 99):
            print(f"p{share} {1000 * float(np.percentile(counts.waited, share)):.0f} ms")
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _random_vectors(count: int, dimensions: int) -> Vectors:
    vectors = np.random.default_rng(1).standard_normal((count, dimensions), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _await(url: str) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"{url}/api/v2/heartbeat", timeout=2):  # noqa: S310 (our own address)
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    main()
