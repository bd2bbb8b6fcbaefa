"""Answers that a model writes behind a page, each in a thread of its own, and those written last. No streamlit here."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import replace

from retrieval.types import Answer
from retrieval.written import Draft

_KEPT = 256  # answers; an address that is opened again asks no model


class LiveDraft:
    """An answer on its way: `shown` has the sentences checked so far, and once `done` it is the answer."""

    def __init__(self, draft: Draft, keep: Callable[[LiveDraft], None]) -> None:
        self.shown: Answer = replace(draft.answer, sentences=(), citations=())
        self.done = False
        self._draft = draft
        self._keep = keep
        threading.Thread(target=self._run, name="prepdesk-draft", daemon=True).start()

    @property
    def stopped(self) -> bool:
        return self._draft.stopped

    def stop(self) -> None:
        """End the writing; what is written by then stays."""
        self._draft.stop()

    def _run(self) -> None:
        try:
            for _ in self._draft:
                self.shown = self._draft.so_far()
        finally:
            self.shown = self._draft.answer
            if self.shown.written and not self.stopped:
                self._keep(self)
            self.done = True


class Drafts:
    """What was written to its end, for all sessions; one that is stopped or fails is written anew when asked again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, LiveDraft] = OrderedDict()

    def open(self, key: Hashable, begin: Callable[[], Draft]) -> LiveDraft:
        """Return what was written under a key, else begin it."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        return LiveDraft(begin(), lambda draft: self._keep(key, draft))

    def _keep(self, key: Hashable, draft: LiveDraft) -> None:
        with self._lock:
            self._kept[key] = draft
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
