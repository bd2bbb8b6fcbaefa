"""The wire against a real server: `transformers serve` with a tiny Llama of random weights that the test builds."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval import Library
from retrieval.errors import ModelError
from retrieval.llm import Backend, LanguageModel
from retrieval.written import Writer
from tests.invariants import check_answer
from tests.retrieval.test_llm import unused_port

_START = 240.0  # seconds; torch and transformers are imported

BUILD = """
import sys
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

letters = ["<eos>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(letters)}, merges=[]))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<eos>")
fast.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\\n{% endfor %}assistant:"
fast.save_pretrained(sys.argv[1])
sizes = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2)
ids = dict(eos_token_id=0, bos_token_id=0, pad_token_id=0)
config = LlamaConfig(vocab_size=len(letters), max_position_embeddings=8192, **sizes, **ids)
LlamaForCausalLM(config).save_pretrained(sys.argv[1])
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A server on loopback with a model that writes noise."""
    folder: Path = tmp_path_factory.mktemp("tiny")
    (folder / "hub" / "hub").mkdir(parents=True)  # without it the server's list of models is an error
    quiet = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub"), "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([sys.executable, "-c", BUILD, str(folder / "llama")], check=True, env=quiet, capture_output=True)
    port = unused_port()
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(folder / "llama")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
            env=quiet,
            stdout=log,
            stderr=log,
        )
    backend = Backend(f"http://127.0.0.1:{port}/v1", str(folder / "llama"), window=4096, timeout=120, stall=60)
    try:
        deadline = time.monotonic() + _START
        while True:
            assert process.poll() is None, (folder / "log").read_text()
            try:
                LanguageModel(backend).served()
                break
            except ModelError:
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.5)
        yield backend
    finally:
        process.terminate()
        process.wait(30)


def test_a_real_server_streams_within_the_limit(served: Backend) -> None:
    """This test ensures that the wire of a kept server is read: pieces, the token limit, why it ended."""
    reply = LanguageModel(served).write([{"role": "user", "content": "hello"}], 24)
    pieces = list(reply)
    assert len(pieces) > 1
    assert reply.finish in ("length", "stop")
    assert reply.tokens is not None
    assert 0 < reply.tokens[1] <= 24


def test_noise_gives_the_extractive_answer(served: Backend, library: Library) -> None:
    """This test ensures that what a model of random weights writes is never shown as an answer."""
    answer = Writer(library, LanguageModel(served)).write("What does dropout do?").finish()
    check_answer(answer, library)
    assert answer.writing is not None
    assert "the model wrote" in answer.writing.fallback
