"""What tests of photo encoders share."""

import json
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file


@pytest.fixture(scope="module")
def weight_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a ResNet-18 at random, with preprocessing of their own."""
    torch.manual_seed(1)
    state = torchvision.models.resnet18(weights=None).state_dict()
    state = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    path = tmp_path_factory.mktemp("weights") / "mine.safetensors"
    size = {"resize": 36, "crop": 32}
    metadata = {
        "architecture": "resnet18",
        "preprocessing": json.dumps({**size, "mean": [0.5] * 3, "std": [0.25] * 3}),
    }
    save_file({k: v.half() for k, v in state.items()}, path, metadata=metadata)
    return path
