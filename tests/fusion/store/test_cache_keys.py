"""The key of a stored embedding: it changes with what decides a vector, and with nothing else."""

import atexit
import io
import json
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from encoders.base import Encoder
from encoders.image.colour_texture import ColourTextureEncoder
from encoders.image.resnet import ResNetEncoder
from encoders.text.bert import BertEncoder
from encoders.text.tiny_bert import tiny_checkpoint
from fusion.store import content_key, embed_values

TEXTS = ["a red dress", "a blue coat of wool " * 10, "lamp"]


def bert(folder: Path | None = None, **options: Any) -> BertEncoder:
    plain: dict[str, Any] = {"dtype": "float32", "max_length": 32}
    return BertEncoder(str(folder or tiny_checkpoint()), **plain | options)


def copied(folder: Path, change: Callable[[Path], None] = lambda folder: None) -> Path:
    """The tiny checkpoint in another folder, changed."""
    shutil.copytree(tiny_checkpoint(), folder)
    change(folder)
    return folder


def change_a_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    name = sorted(weights)[0]
    weights[name].view(-1)[0] += 1e-3
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def swap_two_words(folder: Path) -> None:
    for path in (folder / "tokenizer.json", folder / "vocab.txt"):
        if path.suffix == ".txt":
            words = path.read_text(encoding="utf-8").split("\n")
            a, b = words.index("a"), words.index("b")
            words[a], words[b] = "b", "a"
            path.write_text("\n".join(words), encoding="utf-8")
        elif path.exists():
            document = json.loads(path.read_text(encoding="utf-8"))
            vocabulary = document["model"]["vocab"]
            vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
            path.write_text(json.dumps(document), encoding="utf-8")


def change_an_activation(folder: Path) -> None:
    path = folder / "config.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(document | {"hidden_act": "relu"}), encoding="utf-8")


def n_found(encoder: Encoder, values: list[Any], store: Path) -> tuple[int, int]:
    report = embed_values(encoder, values, store=store).report
    return report.n_found, report.n_encoded


OTHER_BERTS: dict[str, Callable[[Path], BertEncoder]] = {
    "weights": lambda folder: bert(copied(folder, change_a_weight)),
    "tokenizer": lambda folder: bert(copied(folder, swap_two_words)),
    "configuration": lambda folder: bert(copied(folder, change_an_activation)),
    "pooling": lambda folder: bert(pooling="cls"),
    "max_length": lambda folder: bert(max_length=31),
    "dtype": lambda folder: bert(dtype="bfloat16"),
}


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize("component", OTHER_BERTS)
def test_another_component_of_bert_finds_nothing_in_the_store(
    tmp_path: Path, component: str
) -> None:
    store = tmp_path / "store"
    assert n_found(bert(), TEXTS, store) == (0, 3)
    other = OTHER_BERTS[component](tmp_path / "checkpoint")
    assert other.fingerprint != bert().fingerprint
    assert n_found(other, TEXTS, store) == (0, 3)
    assert n_found(bert(), TEXTS, store) == (3, 0)


def test_chunks_find_nothing_that_was_truncated(tmp_path: Path) -> None:
    n_found(bert(), TEXTS, tmp_path)
    chunks = bert(long_text="chunks")
    assert chunks.fingerprint != bert().fingerprint
    assert embed_values(chunks, TEXTS, store=tmp_path).report.n_found == 0


def test_the_same_bert_elsewhere_finds_all(tmp_path: Path) -> None:
    n_found(bert(), TEXTS, tmp_path / "store")
    moved = bert(copied(tmp_path / "moved"))
    assert moved.fingerprint == bert().fingerprint
    assert n_found(moved, TEXTS, tmp_path / "store") == (3, 0)
    again = BertEncoder(**moved.config)
    assert n_found(again, [f"  {TEXTS[0]}\n", TEXTS[2]], tmp_path / "store") == (2, 0)


@pytest.mark.parametrize("other", ["a red dresS", "a red dress.", "a red dres", "a réd dress"])
def test_another_text_has_another_key(tmp_path: Path, other: str) -> None:
    n_found(bert(), TEXTS[:1], tmp_path)
    assert content_key(bert(), other) != content_key(bert(), TEXTS[0])
    assert n_found(bert(), [other], tmp_path) == (0, 1)


def photo(folder: Path, name: str, seed: int = 0) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    (folder / name).write_bytes(buffer.getvalue())
    return folder / name


SMALL = {"resize": 36, "crop": 32}


@cache
def weight_file(architecture: str, *, seed: int) -> str:
    """Random weights in a file; another seed changes one number of them."""
    folder = Path(tempfile.mkdtemp(prefix="weights-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    torch.manual_seed(0)
    state = ResNetEncoder(architecture, weights=None, dtype="float32").network.state_dict()
    state = {name: tensor.contiguous() for name, tensor in state.items()}
    state["conv1.weight"].view(-1)[0] += seed
    path = folder / f"{architecture}-{seed}.safetensors"
    save_file(state, path)
    return str(path)


def resnet(architecture: str = "resnet18", *, seed: int = 0, **options: Any) -> ResNetEncoder:
    pixels = {**SMALL, **options.pop("preprocessing", {})}
    plain = {"weights": weight_file(architecture, seed=seed), "dtype": "float32"}
    return ResNetEncoder(architecture, **{**plain, **options}, preprocessing=pixels)


@pytest.fixture(scope="module")
def plain_resnet() -> ResNetEncoder:
    return resnet()


OTHER_RESNETS: dict[str, dict[str, Any]] = {
    "weights": {"seed": 1},
    "architecture": {"architecture": "resnet34"},
    "dtype": {"dtype": "bfloat16"},
    "decoder": {"decoder": "fast"},
    "resize": {"preprocessing": {"resize": 37}},
    "crop": {"preprocessing": {"crop": 31}},
    "interpolation": {"preprocessing": {"interpolation": "bicubic"}},
    "mean": {"preprocessing": {"mean": (0.5, 0.456, 0.406)}},
    "std": {"preprocessing": {"std": (0.229, 0.224, 0.226)}},
}


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize("component", OTHER_RESNETS)
def test_another_component_of_resnet_finds_nothing_in_the_store(
    tmp_path: Path, plain_resnet: ResNetEncoder, component: str
) -> None:
    photos: list[Any] = [photo(tmp_path, "a.png"), photo(tmp_path, "b.png", seed=1)]
    store = tmp_path / "store"
    assert n_found(plain_resnet, photos, store) == (0, 2)
    other = resnet(**OTHER_RESNETS[component])
    assert other.fingerprint != plain_resnet.fingerprint
    assert n_found(other, photos, store) == (0, 2)
    assert n_found(plain_resnet, photos, store) == (2, 0)


def test_resnet_and_colours_share_no_vector(tmp_path: Path, plain_resnet: ResNetEncoder) -> None:
    photos: list[Any] = [photo(tmp_path, "a.png")]
    assert n_found(plain_resnet, photos, tmp_path / "store") == (0, 1)
    assert n_found(ColourTextureEncoder(), photos, tmp_path / "store") == (0, 1)


@pytest.mark.parametrize("kind", ["resnet", "colour_texture"])
def test_the_name_of_a_photo_does_not_matter_and_each_of_its_bytes_does(
    tmp_path: Path, plain_resnet: ResNetEncoder, kind: str
) -> None:
    encoder: Encoder = plain_resnet if kind == "resnet" else ColourTextureEncoder()
    again = type(encoder)(**encoder.config)
    assert again.fingerprint == encoder.fingerprint
    path, store = photo(tmp_path, "a.png"), tmp_path / "store"
    content = path.read_bytes()
    assert n_found(encoder, [path], store) == (0, 1)
    renamed = path.rename(tmp_path / "other name.jpg")
    assert n_found(again, [renamed], store) == (1, 0)
    assert n_found(again, [content], store) == (1, 0)
    assert content_key(encoder, content + b"\0") != content_key(encoder, content)
    assert n_found(again, [content + b"\0"], store) == (0, 1)
    assert n_found(again, [photo(tmp_path, "other name.jpg", seed=1)], store) == (0, 1)


def test_a_weight_file_in_another_folder_is_the_same_encoder(
    tmp_path: Path, plain_resnet: ResNetEncoder
) -> None:
    path = photo(tmp_path, "a.png")
    n_found(plain_resnet, [path], tmp_path / "store")
    moved = shutil.copy(plain_resnet.config["weights"], tmp_path)
    again = resnet(weights=str(moved))
    assert again.config["weights"] != plain_resnet.config["weights"]
    assert n_found(again, [path], tmp_path / "store") == (1, 0)
