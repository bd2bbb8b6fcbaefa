"""Late interaction, the second lesson of the default encoder: word pieces of a question against those of a passage.

A passage's score is the mean, over the word pieces of the question, of the best cosine with any
word piece of the passage (ColBERT; Khattab and Zaharia, 2020); a linear gate weighs the pieces
of the question. Search does not use it: trained on it beside the mean vectors, those get better
(README.md has the figures).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

_PASSAGES = 16  # whose cosines are held at once
_NOWHERE = -2.0  # below every cosine
_LEAST = 1e-3  # weight of a word piece


class LateInteraction:
    """Scores of questions and passages by their word pieces; the gate begins with equal weights."""

    def __init__(self, dimensions: int, device: str) -> None:
        import torch

        self._device = device
        self._gate = torch.nn.Linear(dimensions, 1).to(device)
        torch.nn.init.zeros_(self._gate.weight)
        torch.nn.init.zeros_(self._gate.bias)

    def parameters(self) -> Iterator[Any]:
        return self._gate.parameters()

    def scores(self, questions: Sequence[Any], passages: Sequence[Any]) -> Any:
        """Return `(questions, passages)` scores in [-1, 1], of states `(word pieces, dimensions)` each.

        A question of no word pieces scores 0.
        """
        import torch

        pieces = torch.cat(list(questions))
        counts = torch.tensor([len(states) for states in questions], device=self._device)
        owner = torch.repeat_interleave(torch.arange(len(questions), device=self._device), counts)
        weight = torch.nn.functional.softplus(self._gate(pieces)).squeeze(-1) + _LEAST
        total = torch.zeros(len(questions), device=self._device).index_add(0, owner, weight)
        best = self._best(torch.nn.functional.normalize(pieces, dim=-1), passages) * (weight / total[owner])[:, None]
        return torch.zeros(len(questions), len(passages), device=self._device).index_add(0, owner, best)

    def _best(self, pieces: Any, passages: Sequence[Any]) -> Any:
        """Return the best cosine of each piece in each passage `(pieces, passages)`."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        found = []
        for at in range(0, len(passages), _PASSAGES):
            part = passages[at : at + _PASSAGES]
            states = pad_sequence([torch.nn.functional.normalize(s, dim=-1) for s in part], batch_first=True)
            there = pad_sequence([torch.ones(len(s), dtype=torch.bool, device=self._device) for s in part], True)
            with torch.autocast(self._device, torch.bfloat16):
                cosines = (pieces @ states.flatten(0, 1).T).view(len(pieces), len(part), -1)
            found.append(cosines.masked_fill(~there, _NOWHERE).amax(2).float())
        return torch.cat(found, 1)
