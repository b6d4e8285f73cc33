"""Made-up items: photos of one colour, and texts that name it."""

import io
from collections import OrderedDict

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from encoders import BertEncoder, ResNetEncoder
from fusion.pretraining import join_contents, read_contents

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 200, 40),
    "blue": (30, 40, 220),
    "white": (240, 240, 240),
    "black": (15, 15, 15),
    "yellow": (230, 220, 30),
}
N_ITEMS = 96


def photo_of(colour):
    file = io.BytesIO()
    Image.new("RGB", (40, 40), tuple(int(level) for level in colour)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def photo():
    """The bytes of a photo of one colour."""
    return photo_of


@pytest.fixture(scope="session")
def items():
    """Texts and photos of 96 items, in turn of each colour."""
    random = np.random.default_rng(0)
    names = [list(COLOURS)[number % len(COLOURS)] for number in range(N_ITEMS)]
    shades = [np.clip(np.add(COLOURS[name], random.integers(-12, 13, 3)), 0, 255) for name in names]
    return {
        "text": [f"a {name} coat {number}" for number, name in enumerate(names)],
        "image": [[photo_of(shade)] for shade in shades],
    }


@pytest.fixture(scope="session")
def tiny_encoders():
    """Makes fresh tiny encoders of the given modalities; the photo network has random weights."""

    def make(*modalities):
        built = {"text": BertEncoder.tiny, "image": ResNetEncoder.tiny}
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return {modality: built[modality]() for modality in modalities}

    return make


class SmallEncoder(ResNetEncoder):
    """A photo encoder of the same blocks whose layers are narrow: it trains in no time."""

    def __init__(self):
        side = {"resize": 16, "crop": 16}
        super().__init__("resnet18", weights=None, dtype="float32", preprocessing=side)
        layers = OrderedDict(conv1=nn.Conv2d(3, 16, 3, stride=2), bn1=nn.BatchNorm2d(16))
        for stage in range(1, 5):
            layers[f"layer{stage}"] = nn.Sequential(nn.Conv2d(16, 16, 1), nn.ReLU())
        layers |= {"pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten()}
        self.network = nn.Sequential(layers)
        self._dim = 16


@pytest.fixture
def small_encoder():
    """A photo encoder that trains in no time; the files of a run cannot hold it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SmallEncoder()


@pytest.fixture(scope="session")
def fit():
    """Trains an objective by a loop of its own; the loss of each step."""

    def run(objective, batches, *, learning_rate):
        weights = [weight for weight in objective.parameters() if weight.requires_grad]
        optimiser = torch.optim.AdamW(weights, lr=learning_rate)
        losses = []
        objective.train()
        for number in range(len(batches)):
            loss = objective(batches[number])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        objective.eval()
        return losses

    return run


@pytest.fixture(scope="session")
def rows_of(items):
    """Makes rows of all items for some encoders."""

    def make(encoders, values=items):
        contents = {name: read_contents(encoders[name], values[name]) for name in encoders}
        return join_contents(contents, range(len(next(iter(values.values())))))

    return make
