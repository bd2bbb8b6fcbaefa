"""Commands run as a person runs them, ours and the peers': time from start to exit, and the peak of memory."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from ingest.bundled import bundled_corpus


@dataclass(frozen=True, slots=True)
class Setting:
    """Where to work, with which Python the peers run (none: leave them out), how often, and at which sizes."""

    folder: Path
    peers: str | None
    times: int
    sizes: tuple[int, ...]

    @property
    def guides(self) -> Path:
        return bundled_corpus() / "guides"

    def prep(self, *arguments: str, home: str) -> list[str]:
        return [sys.executable, "-m", "ui.cli", *arguments, "--index", str(self.folder / home)]

    def peer(self, *arguments: str) -> list[str]:
        return [self.peers or "", "-m", "evals.bench.peers", *arguments]


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds from start to exit, the sum of the peaks of resident memory in MB, and both streams of output."""

    seconds: float
    memory_mb: float
    output: str
    errors: str


def run(command: Sequence[str]) -> Run:
    """Run a command and its children. Raises CalledProcessError where it fails. Memory is 0 where there is no /proc."""
    started = time.monotonic()
    peaks: dict[int, float] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            for pid in _family(process.pid):
                peaks[pid] = max(peaks.get(pid, 0.0), memory_mb(pid, "VmHWM"))
            time.sleep(0.02)
        seconds = time.monotonic() - started
        output, errors = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output, errors)
    return Run(seconds, sum(peaks.values()), output, errors)


def pairs(ours: Sequence[str], theirs: Sequence[str], times: int) -> tuple[list[Run], list[Run], float]:
    """Run two commands in turn; return the runs of each, and the median of the ratios of seconds, pair by pair."""
    mine, other = [], []
    for _ in range(times):
        mine.append(run(ours))
        other.append(run(theirs))
    return mine, other, median(a.seconds / b.seconds for a, b in zip(mine, other, strict=True))


def _family(pid: int) -> list[int]:
    try:
        children = [
            int(c) for task in Path(f"/proc/{pid}/task").iterdir() for c in (task / "children").read_text().split()
        ]
    except OSError:
        return []
    return [pid, *(p for child in children for p in _family(child))]


def memory_mb(pid: int, field: str = "VmRSS") -> float:
    """Return the resident memory of a process in MB, or with "VmHWM" its peak; 0 where Linux does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(field)), 0.0)
