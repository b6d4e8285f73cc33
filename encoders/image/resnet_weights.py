"""Where ResNet weights come from, and the preprocessing that travels with them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor, nn

from encoders.image.photo_pixels import Preprocessing
from encoders.spelling import unknown_name

CLOTHING18 = Path(__file__).parent / "weights" / "clothing18.safetensors"
MOST_BYTES = 2**30
"""Of a weight file; the largest ResNet has a quarter of it."""


@dataclass(frozen=True)
class Weights:
    """Weights that have been found and checked.

    Attributes:
        name: What rebuilds them: a torchvision name, "clothing18" or a path; None: random.
        sha256: Of the file, hex.
        state: Parameters under torchvision's names.
        preprocessing: What the weights were trained with.
    """

    name: str | None = None
    sha256: str | None = None
    state: dict[str, Tensor] = field(default_factory=dict)
    preprocessing: Preprocessing = field(default_factory=lambda: Preprocessing(source="assumed"))


def find_weights(
    weights: str | Path | None, *, architecture: str, sha256: str | None = None
) -> Weights:
    """Load weights by name or path; nothing is downloaded and no pickle is read.

    Args:
        weights: "imagenet" (torchvision's default for the architecture), a name of torchvision's
            such as "IMAGENET1K_V2", "clothing18", a `.safetensors` path, or None.
        architecture: "resnet18" to "resnet152".
        sha256: What the file must have, hex; None: not compared.

    Raises:
        ValueError: If the name is unknown, the file is missing, damaged, of another hash or of
            another architecture.
    """
    if weights is None:
        return Weights()
    if weights == "clothing18":
        return read_weights(CLOTHING18, name="clothing18", architecture=architecture, sha256=sha256)
    if isinstance(weights, Path) or weights.endswith(".safetensors"):
        name = str(weights)
        return read_weights(Path(weights), name=name, architecture=architecture, sha256=sha256)
    return published_weights(weights, architecture=architecture, sha256=sha256)


def published_weights(name: str, *, architecture: str, sha256: str | None) -> Weights:
    """Weights that torchvision publishes, from the converted file in its cache."""
    from torchvision import models  # takes seconds to import

    known = models.get_model_weights(architecture)
    names = list(known.__members__)
    if name != "imagenet" and name not in names:
        raise ValueError(unknown_name("weights", name, ["imagenet", "clothing18", *names]))
    entry = known.DEFAULT if name == "imagenet" else known[name]
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    pth = folder / Path(entry.url).name
    converted = pth.with_suffix(".safetensors")
    if not converted.is_file():
        raise ValueError(
            f"weights must be in torchvision's cache, got {entry.name!r} without {converted}. "
            f"Put {entry.url} into {folder} once, then call "
            f"encoders.image.resnet_weights.convert_torchvision_weights(Path({str(pth)!r})), "
            "or use weights='clothing18', which needs no download."
        )
    found = read_weights(converted, name=entry.name, architecture=architecture, sha256=sha256)
    presets = entry.transforms()
    preprocessing = Preprocessing(
        resize=presets.resize_size[0],
        crop=presets.crop_size[0],
        mean=tuple(presets.mean),
        std=tuple(presets.std),
        interpolation=presets.interpolation.value,
        source="weights",
    )
    return Weights(found.name, found.sha256, found.state, preprocessing)


def read_weights(path: Path, *, name: str, architecture: str, sha256: str | None) -> Weights:
    """Read and check one safetensors file."""
    if not path.is_file():
        raise ValueError(
            f"weights must be an existing .safetensors file, got {path}. Correct the path."
        )
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(
            f"weights must be a file of at most {MOST_BYTES:,} bytes, got {path.stat().st_size:,} "
            f"in {path}. Correct the path."
        )
    content = path.read_bytes()
    actual = hashlib.sha256(content).hexdigest()
    if sha256 is not None and sha256 != actual:
        raise ValueError(
            f"weights_sha256 must be that of {path.name}, got {sha256} for a file with {actual}. "
            "Use the file that the model was made with."
        )
    try:
        state = load(content)
    except SafetensorError as error:
        raise ValueError(
            f"weights must be a safetensors file, got {path.name}: {error}. Convert it, see "
            "encoders.image.resnet_weights.convert_torchvision_weights."
        ) from error
    header_end = 8 + int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8:header_end]).get("__metadata__", {})
    stated = metadata.get("architecture", architecture)
    if stated != architecture:
        raise ValueError(
            f"architecture must be that of the weights, {stated}, got {architecture!r}. "
            f"Use architecture={stated!r}."
        )
    if "preprocessing" not in metadata:
        return Weights(name, actual, state)
    values = json.loads(metadata["preprocessing"])
    return Weights(name, actual, state, Preprocessing.from_dict(values, source="weights"))


def load_into(network: nn.Module, state: Mapping[str, Tensor], *, name: str) -> None:
    """Copy weights into a network without its classifier, all problems in one message.

    Raises:
        ValueError: If a weight is missing, unexpected or of another shape.
    """
    own = network.state_dict()
    given = {key: value for key, value in state.items() if key not in ("fc.weight", "fc.bias")}
    # Only training counts batches; files may leave the counters out.
    needed = [key for key in own if not key.endswith("num_batches_tracked")]
    problems = {
        "missing": [key for key in needed if key not in given],
        "unexpected": [key for key in given if key not in own],
        "of another shape": [k for k in given if k in own and given[k].shape != own[k].shape],
    }
    told = [
        f"{len(keys)} {kind} ({', '.join(keys[:5])}{', ...' if len(keys) > 5 else ''})"
        for kind, keys in problems.items()
        if keys
    ]
    if told:
        raise ValueError(
            f"weights must fit the architecture, got {name!r} with {'; '.join(told)}. "
            "Choose the architecture that the file was made for."
        )
    network.load_state_dict({**own, **given})


def convert_torchvision_weights(pth: Path, *, safetensors: Path | None = None) -> Path:
    """Turn a file that torchvision published into safetensors, once, outside any load path.

    Why: torchvision publishes pickles. This is the only place that opens one: with torch's
    restricted reader (`weights_only=True`), after the content has matched the hash in the file's
    name (`resnet18-f37072fd.pth`).

    Args:
        pth: The published file under its published name.
        safetensors: Where to write; by default beside it, where "imagenet" looks.

    Returns:
        The path written.

    Raises:
        ValueError: If the name carries no hash or the content does not match it.
    """
    expected = pth.stem.rpartition("-")[2]
    actual = hashlib.sha256(pth.read_bytes()).hexdigest()
    if len(expected) != 8 or not actual.startswith(expected):
        raise ValueError(
            f"pth must match the hash in its name, got {pth.name} with SHA-256 {actual}. "
            "Download it again and keep its published name."
        )
    state = torch.load(pth, map_location="cpu", weights_only=True)
    target = safetensors or pth.with_suffix(".safetensors")
    # One entry only: with several, the order in the file and so its hash would vary.
    save_file(
        {key: value.contiguous() for key, value in state.items()},
        target,
        metadata={"converted_from": f"{pth.name} sha256:{actual}"},
    )
    return target
