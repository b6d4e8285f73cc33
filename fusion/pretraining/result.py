"""Trained encoders on disk, in the forms that `BertEncoder` and `ResNetEncoder` load by path."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from encoders.base import Encoder
from encoders.image.resnet import ResNetEncoder
from encoders.text.bert import BertEncoder
from encoders.text.checkpoints import find_checkpoint
from fusion.errors import JobError
from fusion.pretraining.masked_language import tokenizer_of
from fusion.system.files import write_atomically
from fusion.system.folders import replace_folder, strangers

FILES = {"text": "text", "image": "image.safetensors"}
"""Modality -> name of its encoder, a folder or a file."""


def write_encoder(encoder: Encoder, output: Path) -> Encoder:
    """Writes a trained encoder as a whole or not at all; equal weights give equal bytes.

    Args:
        encoder: A `BertEncoder`, which becomes the checkpoint folder `text`, or a `ResNetEncoder`,
            which becomes the weight file `image.safetensors`.
        output: Folder that gets it; an encoder that is there is replaced.

    Returns:
        The encoder as it loads from there.

    Raises:
        JobError: If files of somebody else lie in its folder.
    """
    if isinstance(encoder, ResNetEncoder):
        write_atomically(output / FILES["image"], _image_file(encoder))
        return ResNetEncoder(
            encoder.architecture,
            weights=output / FILES["image"],
            dtype="float32",
            decoder=encoder.decoder,
        )
    folder = output / FILES["text"]
    _write_folder(folder, _text_files(encoder))
    options = ("pooling", "max_length", "long_text", "dtype")
    return BertEncoder(str(folder), **{name: encoder.config[name] for name in options})


def _image_file(encoder: ResNetEncoder) -> bytes:
    preprocessing = encoder.preprocessing.to_dict()
    del preprocessing["source"]  # from here on it is what the weights say themselves
    metadata = {
        "architecture": encoder.architecture,
        "preprocessing": json.dumps(preprocessing, sort_keys=True),
    }
    return safetensors_bytes(encoder.network.state_dict(), metadata)


def _text_files(encoder: Encoder) -> dict[str, bytes]:
    """Name -> bytes of a checkpoint: configuration, weights, tokenizer, what follows pooling."""
    assert isinstance(encoder, BertEncoder)
    model: Any = encoder.get_submodule("model")
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer_of(encoder).save_pretrained(scratch)
        files = {path.name: path.read_bytes() for path in sorted(Path(scratch).iterdir())}
    found = find_checkpoint(encoder.config["checkpoint"], revision=encoder.config["revision"])
    return {
        **files,
        **{name: (found.folder / name).read_bytes() for name in found.sentence.files},
        "config.json": model.config.to_json_string().encode(),
        "model.safetensors": safetensors_bytes(model.state_dict(), {"format": "pt"}),
    }


def _write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    others = strangers(folder, files)
    if others:
        raise JobError(
            f"{folder} must hold nothing but the text encoder of this run, got "
            f"{', '.join(others[:5])} as well. Move that away."
        )
    replace_folder(folder, files)


def safetensors_bytes(state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """A safetensors file; equal weights give equal bytes.

    Why: safetensors writes the entries of its metadata in an order that varies.
    """
    content: bytes = save({name: tensor.contiguous() for name, tensor in state.items()})
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps({"__metadata__": dict(metadata), **json.loads(content[8:start])}).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[start:]
