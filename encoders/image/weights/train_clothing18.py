"""Train `clothing18`, a ResNet-18 for photos of clothes, from scratch on CC0 photos.

Reads ``DIR/images.csv`` (columns image, label, sender_id) and ``DIR/images/``; writes one
safetensors file whose metadata says how to preprocess a photo and how good the weights are.

    python encoders/image/weights/train_clothing18.py --data DIR --out clothing18.safetensors
The last epoch is kept: the held-out people choose nothing, they are only measured.
"""

import argparse
import copy
import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import GroupShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import ResNet, resnet18
from torchvision.transforms.v2 import functional as TF

NOT_CLASSES = ("Not sure", "Other", "Skip")
CANVAS, RESIZE, CROP = 192, 118, 112
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Side of the training crops, small ones first: an epoch's cost grows with their area. Photos are
# read a little larger afterwards, because a random crop magnifies what it shows.
SIZES = (48, 48, 48, 48, 64, 64, 64, 64, 64, 80, 80, 96)
BATCH, MAX_LR = 64, 0.12


class Photos(NamedTuple):
    """The whole data set, decoded once."""

    canvas: Tensor  # uint8 [n, 3, 192, 192]: for training
    box: Tensor  # int64 [n, 2]: height and width of the photo in its canvas
    plain: Tensor  # uint8 [n, 3, 112, 112]: for measuring
    label: Tensor  # int64 [n]: place in classes
    train: Tensor  # int64: row numbers
    test: Tensor
    classes: list[str]


def resize_and_crop(image: Tensor) -> Tensor:
    """Bring a photo to the size that the weights expect: uint8 [3, 112, 112]."""
    cropped: Tensor = TF.center_crop(TF.resize(image, [RESIZE], antialias=True), [CROP, CROP])
    return cropped


def normalise(pixels: Tensor) -> Tensor:
    """Scale pixels of 0 to 1 by the channel means and deviations usual for ResNets."""
    return (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def place_on_canvas(image: Tensor) -> Tensor:
    """Centre a photo on a 192 x 192 canvas and continue its edges outwards."""
    height, width = image.shape[-2:]
    top, left = (CANVAS - height) // 2, (CANVAS - width) // 2
    border = ((0, 0), (top, CANVAS - height - top), (left, CANVAS - width - left))
    return torch.from_numpy(np.pad(image.numpy(), border, mode="edge"))


def read_photos(folder: Path) -> Photos:
    """Decode the data set (about 0.8 GB) and hold out a fifth of the people who sent photos."""
    table = pd.read_csv(folder / "images.csv")
    table = table[~table["label"].isin(NOT_CLASSES)].reset_index(drop=True)
    classes = sorted(table["label"].unique())
    opened = (Image.open(folder / "images" / name) for name in table["image"])
    images = [TF.pil_to_tensor(photo.convert("RGB")) for photo in opened]
    splitter = GroupShuffleSplit(n_splits=1, test_size=0.2, random_state=0)
    train, test = next(splitter.split(table, groups=table["sender_id"]))
    return Photos(
        canvas=torch.stack([place_on_canvas(image) for image in images]),
        box=torch.tensor([image.shape[-2:] for image in images]),
        plain=torch.stack([resize_and_crop(image) for image in images]),
        label=torch.tensor([classes.index(label) for label in table["label"]]),
        train=torch.from_numpy(train),
        test=torch.from_numpy(test),
        classes=classes,
    )


def uniform(rng: torch.Generator, n: int, low: float, high: float) -> Tensor:
    """Draw n numbers between low and high."""
    return torch.rand(n, generator=rng) * (high - low) + low


def random_crops(canvas: Tensor, box: Tensor, size: int, rng: torch.Generator) -> Tensor:
    """Cut 30 to 100 % of the area of each photo, perhaps flipped, turned by up to 15°."""
    n = len(canvas)
    height, width = (box.float() / CANVAS).unbind(1)
    area = uniform(rng, n, 0.3, 1.0) * height * width
    aspect = torch.exp(uniform(rng, n, math.log(3 / 4), math.log(4 / 3)))
    crop_w = torch.minimum((area * aspect).sqrt(), width)
    crop_h = torch.minimum((area / aspect).sqrt(), height)
    shift_x = uniform(rng, n, -1, 1) * (width - crop_w)
    shift_y = uniform(rng, n, -1, 1) * (height - crop_h)
    flip = torch.randint(0, 2, (n,), generator=rng) * 2 - 1
    turn = uniform(rng, n, -math.pi / 12, math.pi / 12)
    # One affine map a photo (rows of its matrix), so that the batch is cut in one operation.
    to_x = torch.stack([turn.cos() * crop_w * flip, -turn.sin() * crop_h, shift_x], 1)
    to_y = torch.stack([turn.sin() * crop_w * flip, turn.cos() * crop_h, shift_y], 1)
    grid = F.affine_grid(torch.stack([to_x, to_y], 1), [n, 3, size, size], align_corners=False)
    return F.grid_sample(canvas, grid, padding_mode="border", align_corners=False)


def jitter_colour(pixels: Tensor, rng: torch.Generator) -> Tensor:
    """Vary brightness, contrast, saturation and white balance; pixels stay in 0 to 1."""
    n = len(pixels)
    bright, contrast, colour = (uniform(rng, n, 0.65, 1.35).view(n, 1, 1, 1) for _ in range(3))
    balance = uniform(rng, 3 * n, 0.92, 1.08).view(n, 3, 1, 1)
    pixels = pixels * bright * balance
    grey = pixels.mean(1, keepdim=True)
    pixels = grey + (pixels - grey) * colour
    middle = grey.mean((2, 3), keepdim=True)
    return (middle + (pixels - middle) * contrast).clamp(0, 1)


def erase_patch(pixels: Tensor, rng: torch.Generator) -> Tensor:
    """Set one square of up to a ninth of the area to zero in a quarter of the photos."""
    n, size = len(pixels), pixels.shape[-1]
    side = uniform(rng, n, 0.1, 0.33) * size * (uniform(rng, n, 0, 1) < 0.25)
    left, top = uniform(rng, n, 0, size), uniform(rng, n, 0, size)
    at = torch.arange(size).float()
    in_x = (at - left[:, None]).abs() < side[:, None] / 2
    in_y = (at - top[:, None]).abs() < side[:, None] / 2
    return pixels.masked_fill((in_y[:, :, None] & in_x[:, None, :])[:, None], 0.0)


def learning_rate(progress: float) -> float:
    """One cycle over progress 0 to 1: up for a fifth of it, then down along a cosine."""
    falling = 0.5 + 0.5 * math.cos(math.pi * (progress - 0.2) / 0.8)
    return MAX_LR * min(0.05 + 0.95 * progress / 0.2, falling)


def add_gradients(model: ResNet, photos: Photos, rows: Tensor, size: int, seed: int) -> float:
    """Leave the gradients of half a batch in the model; return its mean loss."""
    rng = torch.Generator().manual_seed(seed)
    pixels = random_crops(photos.canvas[rows] / 255.0, photos.box[rows], size, rng)
    pixels = erase_patch(normalise(jitter_colour(pixels, rng)), rng)
    logits = model(pixels.contiguous(memory_format=torch.channels_last))
    loss = F.cross_entropy(logits, photos.label[rows], label_smoothing=0.1)
    model.zero_grad()
    loss.backward()
    return loss.item()


def train_epoch(
    model: ResNet, optimiser: torch.optim.SGD, photos: Photos, span: range, seed: int
) -> float:
    """Train epoch ``span.start`` of ``span.stop`` in place; return the mean loss.

    Two threads take half of each batch, which on few busy cores costs less than threads inside
    each operation (set OMP_NUM_THREADS=1). Every random draw follows from seed and epoch.
    """
    rng = torch.Generator().manual_seed(seed * 100_003 + span.start)
    size = SIZES[span.start * len(SIZES) // span.stop]
    batches = photos.train[torch.randperm(len(photos.train), generator=rng)].split(BATCH)
    twin = copy.deepcopy(model.train())
    for mine, theirs in zip(twin.parameters(), model.parameters(), strict=True):
        mine.data = theirs.data
    losses: list[float] = []
    with ThreadPoolExecutor(2) as pool:
        for step, rows in enumerate(batches):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate((span.start + step / len(batches)) / span.stop)
            seeds = torch.randint(0, 2**31, (2,), generator=rng).tolist()
            halves = ((model, twin), (photos,) * 2, rows.chunk(2), (size,) * 2, seeds)
            losses += pool.map(add_gradients, *halves)
            for mine, theirs in zip(model.parameters(), twin.parameters(), strict=True):
                mine.grad = torch.stack([mine.grad, theirs.grad]).mean(0)
            optimiser.step()
    return sum(losses) / len(losses)


@torch.inference_mode()
def embed_and_classify(model: ResNet, plain: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Embed preprocessed photos (uint8) as float32 [n, 512] and name their class, int64 [n]."""
    body = nn.Sequential(*list(model.eval().children())[:-1], nn.Flatten())
    features = torch.cat([body(normalise(batch / 255.0)) for batch in plain.split(128)])
    return features.numpy(), model.fc(features).argmax(1).numpy()


def save_checkpoint(path: Path, model: ResNet, optimiser: torch.optim.SGD, done: int) -> None:
    """Write weights, momentum and the number of epochs done, whole or not at all."""
    momenta = [optimiser.state[weight]["momentum_buffer"] for weight in model.parameters()]
    tensors = {f"model.{name}": value.contiguous() for name, value in model.state_dict().items()}
    tensors |= {f"momentum.{k}": value.contiguous() for k, value in enumerate(momenta)}
    save_file(tensors, path.with_suffix(".partial"), metadata={"epochs_done": str(done)})
    path.with_suffix(".partial").replace(path)


def load_checkpoint(path: Path, model: ResNet, optimiser: torch.optim.SGD) -> int:
    """Continue from a checkpoint; return the number of epochs done."""
    tensors = load_file(path)
    model.load_state_dict({name: tensors[f"model.{name}"] for name in model.state_dict()})
    for number, weight in enumerate(model.parameters()):
        optimiser.state[weight]["momentum_buffer"] = tensors[f"momentum.{number}"]
    with safe_open(path, framework="pt") as file:
        return int(file.metadata()["epochs_done"])


def train(photos: Photos, epochs: int, seed: int, resume: Path | None) -> ResNet:
    """Train from scratch or go on from the checkpoint; print a line an epoch."""
    torch.manual_seed(seed)
    model = resnet18(num_classes=len(photos.classes), zero_init_residual=True)
    model = model.to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(model.parameters(), MAX_LR, 0.9, weight_decay=5e-4, nesterov=True)
    done = load_checkpoint(resume, model, optimiser) if resume and resume.is_file() else 0
    truth = photos.label[photos.test].numpy()
    for epoch in range(done, epochs):
        loss = train_epoch(model, optimiser, photos, range(epoch, epochs), seed)
        correct = accuracy_score(truth, embed_and_classify(model, photos.plain[photos.test])[1])
        print(f"epoch {epoch + 1}/{epochs} loss {loss:.3f} accuracy {correct:.3f}", flush=True)
        if resume:
            save_checkpoint(resume, model, optimiser, epoch + 1)
    return model


def colour_histogram(plain: Tensor) -> np.ndarray:
    """Count 8 levels of red, green and blue as shares of the pixels: float [n, 24]."""
    level = plain.flatten(2) // 32
    return torch.cat([(level == k).float().mean(2) for k in range(8)], 1).numpy()


def measure(model: ResNet, photos: Photos, seed: int) -> dict[str, float]:
    """Measure on the held-out people, beside chance and simpler features: shares of 0 to 1."""
    train, test, label = photos.train.numpy(), photos.test.numpy(), photos.label.numpy()

    def held_out(classifier: Any, rows: np.ndarray) -> float:
        return float(classifier.fit(rows[train], label[train]).score(rows[test], label[test]))

    features, predicted = embed_and_classify(model, photos.plain)
    torch.manual_seed(seed)
    untrained, _ = embed_and_classify(resnet18(), photos.plain)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000))
    found = {
        "accuracy": float(accuracy_score(label[test], predicted[test])),
        "macro_f1": float(f1_score(label[test], predicted[test], average="macro")),
        "largest_class_share": float(np.bincount(label[test]).max() / len(test)),
        "colour_histogram_accuracy": held_out(linear, colour_histogram(photos.plain)),
        "knn5_accuracy": held_out(KNeighborsClassifier(5, metric="cosine"), features),
        "knn5_untrained_accuracy": held_out(KNeighborsClassifier(5, metric="cosine"), untrained),
    }
    counts = {"n_train": len(train), "n_test": len(test)}
    return {name: round(value, 4) for name, value in found.items()} | counts


def describe(photos: Photos, metrics: dict[str, float], epochs: int, seed: int) -> dict[str, str]:
    """Write the metadata of the weight file: all that a reader needs besides the tensors."""
    how = {"resize": RESIZE, "crop": CROP, "mean": MEAN, "std": STD, "interpolation": "bilinear"}
    return {
        "format": "pt",
        "architecture": "resnet18",
        "classes": json.dumps(photos.classes),
        "preprocessing": json.dumps(how | {"antialias": True}),
        "origin": "trained from scratch on the clothing dataset (Alexey Grigorev 2020, CC0 1.0)",
        "licence": "CC0 1.0",
        "metrics": json.dumps(metrics),
        "epochs": str(epochs),
        "seed": str(seed),
        "torch": torch.__version__,
    }


def main() -> None:
    """Train, round to float16, measure what was rounded, and write it."""
    parser = argparse.ArgumentParser(description="Train a ResNet-18 on photos of clothes.")
    parser.add_argument("--data", type=Path, required=True, help="folder with images.csv, images/")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", type=Path, help="written after each epoch, resumed from")
    options = parser.parse_args()
    if not (options.data / "images.csv").is_file():
        parser.error(f"--data must be a folder with images.csv and images/, got {options.data}.")
    photos = read_photos(options.data)
    model = train(photos, options.epochs, options.seed, options.checkpoint)
    # Half of the bytes; batch counters stay whole numbers. What is measured is what is written.
    state = {n: t.half() if t.is_floating_point() else t for n, t in model.state_dict().items()}
    model.load_state_dict(state)
    metrics = measure(model, photos, options.seed)
    text = describe(photos, metrics, options.epochs, options.seed)
    save_file({n: t.contiguous() for n, t in state.items()}, options.out, metadata=text)
    print(*(f"{name:<28}{value:g}" for name, value in metrics.items()), sep="\n")


if __name__ == "__main__":
    main()
