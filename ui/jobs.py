"""The one ingest that may run behind the app: started, watched, cancelled. No streamlit here."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

State = Literal["idle", "running", "done", "failed", "cancelled"]
_STAGES = {"read": "Reading files", "encode": "Embedding passages", "write": "Writing the index"}
_PATIENCE = 5.0  # seconds a cancelled process has to end by itself


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the job stands; `report` is that of `ingest.pipeline.Report` once it is done."""

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
    """At most one ingest for one library home; safe to use from many sessions."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._progress = Progress()

    @property
    def progress(self) -> Progress:
        with self._lock:
            return self._progress

    def start(self, roots: Sequence[Path], *, remove: Sequence[str] = ()) -> bool:
        """Start an ingest, or take sources out; return False, doing nothing, where one is running."""
        options = [f"--remove={path}" for path in remove]
        command = [sys.executable, "-m", "ui.worker", *options, "--", str(self._home), *map(str, roots)]
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
        threading.Thread(target=self._watch, args=(process,), name="prepdesk-ingest", daemon=True).start()
        return True

    def cancel(self) -> None:
        """End the ingest; what was live before stays live."""
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

    def dismiss(self) -> None:
        """Forget how the last job ended."""
        with self._lock:
            if self._progress.state != "running":
                self._progress = Progress()

    def _watch(self, process: subprocess.Popen[str]) -> None:
        with process:
            for line in process.stdout or ():
                self._note(process, line)
        with self._lock:
            if self._process is process and self._progress.state == "running":
                reason = f"the ingest ended by itself (exit code {process.returncode}); try it with: prep ingest"
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
