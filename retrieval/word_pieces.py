"""The word pieces of a text, without the model that reads them. Owns the tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class WordPieces:
    """The tokenizer in a file of a model, and how many word pieces the model reads: enough to read and chunk for it."""

    def __init__(self, tokenizer: Path, max_tokens: int) -> None:
        from tokenizers import Tokenizer

        self.max_tokens = max_tokens
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        # Set once and for all: threads that encode at the same time share the tokenizer.
        self._tokenizer.enable_truncation(self.max_tokens)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return word pieces per text, special tokens left out; of a long text those that are cut off count too."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(e.ids) + sum(len(rest.ids) for rest in e.overflowing) for e in encodings]
