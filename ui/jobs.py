"""What may run behind the app, one of a kind: an ingest, an evaluation. No streamlit here."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ui.people import Person, check_editor

State = Literal["idle", "running", "done", "failed", "cancelled"]
_STAGES = {
    "read": "Reading files",
    "encode": "Embedding passages",
    "write": "Writing the index",
    "search-hybrid": "Asking the questions, hybrid",
    "search-dense": "Asking the questions, dense",
    "search-lexical": "Asking the questions, lexical",
    "answer": "Measuring what is answered and what is declined",
    "explain": "Looking at the misses",
}
_PATIENCE = 5.0  # seconds a cancelled process has to end by itself


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of job: its name, the module that runs it, and the command that does the same in a terminal."""

    name: str
    module: str
    command: str


INGEST = Kind("ingest", "ui.worker", "prep ingest")
EVALUATE = Kind("evaluation", "ui.evaluation_worker", "prep eval")


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the job stands; `report` is what its worker says once it is done."""

    state: State = "idle"
    stage: str = ""
    done: int = 0
    total: int = 0
    error: str = ""
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def share(self) -> float:
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def words(self) -> str:
        name = _STAGES.get(self.stage, "Starting")
        return f"{name}: {self.done:,} of {self.total:,}" if self.total > 1 else name


class Jobs:
    """At most one job of a kind for one library home; safe to use from many sessions.

    Who may not change the library can neither start nor cancel one: RoleError, and nothing is done.
    """

    def __init__(self, home: Path, kind: Kind = INGEST) -> None:
        self._home = home
        self._kind = kind
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._progress = Progress()

    @property
    def progress(self) -> Progress:
        with self._lock:
            return self._progress

    def start(self, roots: Sequence[Path] = (), *, by: Person | None, options: Sequence[str] = ()) -> bool:
        """Start the worker; return False, doing nothing, where one is running."""
        check_editor(by)
        # -P: the folder that the app was started in may hold a random.py.
        command = [sys.executable, "-P", "-m", self._kind.module, *options, "--", str(self._home), *map(str, roots)]
        with self._lock:
            if self._progress.state == "running":
                return False
            self._progress = Progress("running")
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
            )
            process = self._process
        threading.Thread(target=self._watch, args=(process,), name=f"prepdesk-{self._kind.name}", daemon=True).start()
        return True

    def cancel(self, *, by: Person | None) -> None:
        """End the job; what was live before stays live."""
        check_editor(by)
        with self._lock:
            process, running = self._process, self._progress.state == "running"
            if running:
                self._progress = Progress("cancelled")
        if process and running:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()

    def _watch(self, process: subprocess.Popen[str]) -> None:
        with process:
            for line in process.stdout or ():
                self._note(process, line)
        with self._lock:
            if self._process is process and self._progress.state == "running":
                kind = self._kind
                reason = (
                    f"the {kind.name} ended by itself (exit code {process.returncode}); try it with: {kind.command}"
                )
                self._progress = Progress("failed", error=reason)

    def _note(self, process: subprocess.Popen[str], line: str) -> None:
        try:
            facts = json.loads(line)
        except ValueError:
            return
        with self._lock:
            if self._process is not process or self._progress.state != "running":
                return
            if "report" in facts:
                self._progress = replace(self._progress, state="done", report=facts["report"])
            elif "error" in facts:
                self._progress = replace(self._progress, state="failed", error=facts["error"])
            else:
                self._progress = Progress("running", facts["stage"], facts["done"], facts["total"])
