"""Contrastive training of a low-rank adapter over an encoder: questions toward the passages that answer them.

The loss is symmetric InfoNCE (van den Oord et al., 2018) within a batch: each question
against the passages of the others, each passage against the questions of the others. A
passage is encoded once for all of its questions, which is most of the work. Passages that
read like the right one may answer too and are not taken for negatives. Mined negatives were
tried and lost (README.md). With questions that are held out it stops early: what it keeps are
the weights after the epoch that was best on them.
"""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evals.train.late import LateInteraction
from retrieval import adapter
from retrieval.arrays import Vectors
from retrieval.models import ModelFiles

Pair = tuple[str, int]  # a question and the row of the passage that answers it
Report = Callable[[str], None]

_PIECES = 2048  # word pieces that are read at once, padding among them
_NEVER = -1e4  # a score that takes no part in a softmax


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train. Lengths are in word pieces; `scale` is one over the temperature."""

    rank: int = 32
    learning_rate: float = 5e-4
    epochs: int = 4
    batch: int = 64  # passages
    questions: int = 4  # of a passage in one batch, at most
    scale: float = 20.0
    passage_tokens: int = 256
    question_tokens: int = 64
    twin: float = 0.9  # cosine from which two passages say the same
    warm_up: float = 0.1
    clip: float = 1.0
    patience: int = 2  # epochs without a gain on what is held out
    late: bool = False  # whether late interaction is a second lesson
    gate_rate: float = 5e-3  # learning rate of its gate
    seed: int = 7


class Trainee:
    """A transformer under training: mean pooling, unit vectors."""

    def __init__(self, model: ModelFiles, recipe: Recipe) -> None:
        import torch
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModel, AutoTokenizer

        torch.manual_seed(recipe.seed)
        self.model = model
        self.recipe = recipe
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self._tokenizer = AutoTokenizer.from_pretrained(model.folder)
        # Dropout on attention takes a third of a step on a processor, whose fused attention is slower backward.
        base = AutoModel.from_pretrained(model.folder, attn_implementation="eager", attention_probs_dropout_prob=0.0)
        for path in model.adapters:
            adapter.merge(base, path)
        config = LoraConfig(
            r=recipe.rank, lora_alpha=2 * recipe.rank, target_modules=["query", "key", "value", "dense"]
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name that is to go
            self.network: Any = get_peft_model(base, config).to(self.device)
        self._share = 1.0

    def ids(self, texts: Sequence[str], limit: int) -> list[list[int]]:
        rows: list[list[int]] = self._tokenizer(list(texts), truncation=True, max_length=limit)["input_ids"]
        return rows

    def forward(self, rows: Sequence[Sequence[int]], *, exact: bool = False) -> Any:
        """Return unit vectors `(n, dimensions)` as a torch tensor, in half precision inside unless `exact`."""
        return self.read(rows, exact=exact)[0]

    def read(
        self, rows: Sequence[Sequence[int]], *, exact: bool = False, states: bool = False
    ) -> tuple[Any, list[Any]]:
        """Return what `forward` does, and with `states` those of each text's word pieces `(pieces, dimensions)`."""
        import torch

        # Texts of like length together: little is spent on padding.
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        means: dict[int, Any] = {}
        pieces: dict[int, Any] = {}
        for part in _parts(order, rows):
            hidden, mask = self._hidden([rows[i] for i in part], exact)
            pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            means.update(zip(part, pooled, strict=True))
            if states:  # all but the marks of beginning and end
                pieces.update((i, hidden[n, 1 : len(rows[i]) - 1]) for n, i in enumerate(part))
        vectors = torch.stack([means[i] for i in range(len(rows))])
        return torch.nn.functional.normalize(vectors, dim=-1), [pieces[i] for i in range(len(pieces))]

    def _hidden(self, rows: Sequence[Sequence[int]], exact: bool) -> tuple[Any, Any]:
        """Return the last states `(n, longest, dimensions)` and the mask `(n, longest)`."""
        import torch

        width = max(len(row) for row in rows)
        ids = torch.zeros(len(rows), width, dtype=torch.long)
        mask = torch.zeros(len(rows), width, dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = 1
        ids, mask = ids.to(self.device), mask.to(self.device)
        with torch.autocast(self.device, torch.bfloat16, enabled=not exact):
            return self.network(input_ids=ids, attention_mask=mask).last_hidden_state.float(), mask

    @property
    def share(self) -> float:
        """Where the weights stand between the base (0) and what was trained (1), as in Wortsman et al. (2022)."""
        return self._share

    @share.setter
    def share(self, value: float) -> None:
        for _, module in self._adapted():
            module.set_scale("default", value)
        self._share = value

    def encode(self, texts: Sequence[str], *, exact: bool = False) -> Vectors:
        """Return unit vectors `(n, dimensions)` in the order of `texts`, each read as far as the model reads."""
        import torch

        if not texts:
            return np.empty((0, 0), dtype=np.float32)
        self.network.eval()
        with torch.inference_mode():
            vectors: Vectors = self.forward(self.ids(texts, self.model.max_tokens), exact=exact).cpu().numpy()
        return vectors

    def changes(self) -> dict[str, tuple[Vectors, Vectors]]:
        """Return what was learned as `(A, B)` for each weight, scale and share folded into B."""
        found: dict[str, tuple[Vectors, Vectors]] = {}
        for name, module in self._adapted():
            a = module.lora_A["default"].weight.detach().float().cpu().numpy()
            b = module.lora_B["default"].weight.detach().float().cpu().numpy()
            found[f"{name}.weight"] = (a, b * np.float32(module.scaling["default"]))
        return found

    def _adapted(self) -> list[tuple[str, Any]]:
        modules = self.network.base_model.model.named_modules()
        return [(name, module) for name, module in modules if "default" in getattr(module, "lora_A", {})]


def train(
    trainee: Trainee,
    pairs: Sequence[Pair],
    passages: Sequence[str],
    report: Report = print,
    *,
    corpora: Sequence[int] = (),
    lexical: NDArray[np.float16] | None = None,
    held: Callable[[], float] | None = None,
) -> None:
    """Train on the pairs, in random batches of passages, each with questions of its own.

    `corpora` numbers the collection of each passage, so that a batch holds passages of one and
    its negatives are of like material. `lexical` `(pairs, passages)` is what the lexical search
    adds to a cosine: in every other batch the two are trained as the sum that ranks, so that
    the encoder learns what words do not give already. `held`, where given, measures the trainee
    after each epoch, higher is better. `report` is told what each epoch gave.
    """
    import torch

    recipe = trainee.recipe
    draw = random.Random(recipe.seed)
    passage_ids = trainee.ids(passages, recipe.passage_tokens)
    question_ids = trainee.ids([question for question, _ in pairs], recipe.question_tokens)
    asked: dict[int, list[int]] = {}
    for number, (_, row) in enumerate(pairs):
        asked.setdefault(row, []).append(number)
    parameters = [p for p in trainee.network.parameters() if p.requires_grad]
    late = LateInteraction(trainee.network.config.hidden_size, trainee.device) if recipe.late else None
    groups: list[Any] = [{"params": parameters}]
    if late:
        groups.append({"params": list(late.parameters()), "lr": recipe.gate_rate})
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate)
    total = recipe.epochs * sum(1 for _ in _cut(list(asked), corpora, recipe.batch))
    rise = max(1, round(recipe.warm_up * total))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min((s + 1) / rise, 1 - s / total))
    best = _Best(parameters)
    started = time.monotonic()
    for epoch in range(recipe.epochs):
        trainee.network.train()
        losses = []
        for rows in _batches(list(asked), corpora, recipe.batch, draw):
            chosen = [(n, q) for n, row in enumerate(rows) for q in _some(asked[row], recipe.questions, draw)]
            added: Any = 0.0
            if lexical is not None and draw.random() < 0.5:
                scores = lexical[np.ix_([q for _, q in chosen], rows)].astype(np.float32)
                added = torch.from_numpy(scores).to(trainee.device)
            owner = torch.tensor([n for n, _ in chosen], device=trainee.device)
            batch = [question_ids[q] for _, q in chosen], [passage_ids[row] for row in rows]
            loss = _batch_loss(trainee, late, *batch, owner, added)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, recipe.clip)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        seconds = time.monotonic() - started
        told = f"epoch {epoch + 1} of {recipe.epochs}: loss {np.mean(losses):.3f}, {seconds:.0f} s"
        if held is None:
            report(told)
            continue
        found = held()
        report(f"{told}, held out {found:.4f}")
        if best.take(found) >= recipe.patience:
            break
    best.restore()


class _Best:
    """The parameters as they were when they scored best; what never was scored stays as it is."""

    def __init__(self, parameters: Sequence[Any]) -> None:
        self._parameters = parameters
        self._values: list[Any] = []
        self._score = -1.0
        self._since = 0

    def take(self, score: float) -> int:
        """Take the score of an epoch; return how many epochs ago the best one was."""
        self._since += 1
        if score > self._score:
            self._score, self._since = score, 0
            self._values = [p.detach().clone() for p in self._parameters]
        return self._since

    def restore(self) -> None:
        import torch

        with torch.no_grad():
            for parameter, value in zip(self._parameters, self._values, strict=False):
                parameter.copy_(value)


def _batches(rows: list[int], corpora: Sequence[int], size: int, draw: random.Random) -> list[list[int]]:
    """Cut the rows into batches of one corpus each, in random order."""
    draw.shuffle(rows)
    cut = list(_cut(rows, corpora, size))
    draw.shuffle(cut)
    return cut


def _cut(rows: list[int], corpora: Sequence[int], size: int) -> Iterator[list[int]]:
    """Yield the full batches of each corpus; the last rows of one that fill none wait an epoch."""
    apart: dict[int, list[int]] = {}
    for row in rows:
        apart.setdefault(corpora[row] if corpora else 0, []).append(row)
    for part in apart.values():
        yield from (part[at : at + size] for at in range(0, max(1, len(part) - size + 1), size))


def _parts(order: Sequence[int], rows: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Cut an order by rising length into parts of at most `_PIECES`; a row that is longer stands alone."""
    part: list[int] = []
    for row in order:
        if part and (len(part) + 1) * len(rows[row]) > _PIECES:
            yield part
            part = []
        part.append(row)
    if part:
        yield part


def _some(questions: Sequence[int], most: int, draw: random.Random) -> Sequence[int]:
    return questions if len(questions) <= most else draw.sample(questions, most)


def _batch_loss(
    trainee: Trainee,
    late: LateInteraction | None,
    questions: Sequence[Sequence[int]],
    passages: Sequence[Sequence[int]],
    owner: Any,
    added: Any,
) -> Any:
    """Return the loss of a batch of word pieces; `added` is what joins the cosines `(questions, passages)`."""
    recipe = trainee.recipe
    asked, asked_pieces = trainee.read(questions, states=late is not None)
    found, found_pieces = trainee.read(passages, states=late is not None)
    scores = asked @ found.T + added
    alike = found.detach() @ found.detach().T > recipe.twin
    loss = _loss(recipe.scale * scores, owner, alike)
    if late is None:
        return loss
    return (loss + _loss(recipe.scale * (scores + late.scores(asked_pieces, found_pieces)), owner, alike)) / 2


def _loss(scores: Any, owner: Any, alike: Any) -> Any:
    """Return symmetric InfoNCE of scores `(questions, passages)`: `owner` names the passage of each question.

    Passages `alike` the right one are no negatives; to a passage its other questions are none.
    """
    import torch

    own = torch.nn.functional.one_hot(owner, scores.shape[1]).bool()
    scores = scores.masked_fill(alike[owner] & ~own, _NEVER)
    to_passage = torch.nn.functional.cross_entropy(scores, owner)
    right = scores[own]
    others = torch.logsumexp(scores.masked_fill(own, _NEVER), 0)[owner]
    to_question = (torch.logaddexp(right, others) - right).mean()
    return (to_passage + to_question) / 2
