"""Made-up rows that `check_member` holds members to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from encoders.blocks import Block
from encoders.table.numeric import NumericEncoder
from encoders.text.tfidf import TfidfEncoder
from fusion.data.batch import ModelInputs
from fusion.data.training_rows import TrainingRows
from fusion.members.base import Floats, Member
from fusion.members.view import Rows, View, view_of
from fusion.network import Raw
from heads.base import Head
from heads.registry import HEADS

N_ROWS, N_FOLDS, N_TERMS = 96, 4, 12
LABELS = ("down", "flat", "up")


@dataclass(frozen=True)
class Example:
    """Rows of a made-up catalogue: what they are, and what is asked of them."""

    view: View
    heads: Mapping[str, Head]
    targets: Mapping[str, Floats]
    folds: Sequence[Rows]
    weight: Floats

    def __len__(self) -> int:
        return len(self.view)

    def fitted(self, member: Member, *, seed: int = 0) -> Raw:
        """Fits a member; what it answers out of fold."""
        return member.fit(
            self.view,
            heads=self.heads,
            training=TrainingRows(self.targets, self.folds, self.weight),
            seed=seed,
        )

    def of_heads(self, *names: str) -> "Example":
        """The same rows, asked less."""
        return replace(
            self,
            heads={name: self.heads[name] for name in names},
            targets={name: self.targets[name].copy() for name in names},
        )


def example_rows(heads: Mapping[str, type[Head]]) -> Example:
    """96 rows in four folds, of which some lack something, with targets for heads.

    Args:
        heads: By name; `regression` and `hot_item` are asked besides.
    """
    draw = np.random.default_rng(0)
    view, signal = _rows(draw)
    kinds = {**{name: HEADS[name] for name in ("regression", "hot_item")}, **heads}
    targets = {name: _target(kind, signal) for name, kind in kinds.items()}
    labels = {name: {"labels": LABELS} if kind.reads_labels else {} for name, kind in kinds.items()}
    made = {name: kind.fitted(targets[name], **labels[name]) for name, kind in kinds.items()}
    rows = draw.permutation(N_ROWS)
    folds = [np.sort(rows[place::N_FOLDS]) for place in range(N_FOLDS)]
    return Example(view, made, targets, folds, np.ones(N_ROWS))


def _target(kind: type[Head], signal: Floats) -> Floats:
    """Counts or labels `[n, *target_shape]` that follow a signal."""
    if kind.reads_labels:
        base = np.searchsorted(np.quantile(signal, [0.4, 0.7]), signal).astype(float)
    else:
        base = np.floor(np.exp(0.5 * signal + 2.0))
    shape = kind.tiny().target_shape
    steps = [np.roll(base, 7 * step) for step in range(*shape)] if shape else []
    return np.stack(steps, axis=1) if steps else base


def _rows(draw: np.random.Generator) -> tuple[View, Floats]:
    """Rows of three modalities, and a signal that all of them tell of."""
    brands = draw.integers(0, 4, N_ROWS)
    numbers = draw.normal(size=(N_ROWS, 2))
    text, photo = draw.normal(size=(N_ROWS, 6)), draw.normal(size=(N_ROWS, 5))
    signal = numbers[:, 0] + text[:, 0] + 0.5 * photo[:, 0] + brands - 1.5
    signal = signal + 0.3 * draw.normal(size=N_ROWS)
    frame = pd.DataFrame({"price": numbers[:, 0], "size": numbers[:, 1], "brand": brands})
    frame.loc[::9, "size"] = np.nan
    frame["brand"] = frame["brand"].map(dict(enumerate("abcd"))).astype(object)
    frame.loc[::11, "brand"] = None
    numeric = NumericEncoder.fitted(frame, numeric=["price", "size"], categorical=["brand"])
    encoders = {
        "numeric": numeric,
        "photo": TfidfEncoder(embedding_dim=5),  # stands for an encoder of photos
        "text": TfidfEncoder(embedding_dim=6),
    }
    masks = {name: draw.random(N_ROWS) > 0.15 for name in encoders}
    for mask in masks.values():
        mask[:3] = False
        mask[3:9] = True
    inputs = ModelInputs(
        present={name: torch.from_numpy(mask) for name, mask in masks.items()},
        embeddings={
            "photo": torch.from_numpy(photo).float(),
            "text": torch.from_numpy(text).float(),
        },
        tensors={"numeric": numeric.preprocess(frame)},
        terms={"text": (Block("words", "terms", _terms(text, draw)),)},
    )
    return view_of(encoders, inputs), signal


def _terms(text: NDArray[np.float64], draw: np.random.Generator) -> Any:
    """Unit vectors of the words of texts, `[n, 12]`; the first words tell what the text does."""
    told = np.hstack([np.maximum(text, 0.0), np.maximum(-text, 0.0)])[:, :N_TERMS]
    told = told * (draw.random(told.shape) > 0.3)
    lengths = np.linalg.norm(told, axis=1, keepdims=True)
    return sparse.csr_matrix(told / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)


def poisoned(view: View) -> View:
    """The same rows with NaN, or another level, wherever nothing is."""
    blocks = {}
    for name, block in view.blocks.items():
        absent = ~view.present[name]
        blocks[name] = replace(block, values=_with_poison(block, absent))
    inputs = view.inputs
    away = {name: ~mask for name, mask in inputs.present.items()}
    embeddings = {
        name: torch.where(away[name][:, None], torch.nan, vectors)
        for name, vectors in inputs.embeddings.items()
    }
    tensors = {
        modality: {name: _turned(tensor, away[modality]) for name, tensor in held.items()}
        for modality, held in inputs.tensors.items()
    }
    return replace(
        view, blocks=blocks, inputs=replace(inputs, embeddings=embeddings, tensors=tensors)
    )


def _with_poison(block: Block, absent: NDArray[np.bool_]) -> Any:
    if block.kind == "category":
        return np.where(absent, block.n_levels - 1, block.values)
    if block.kind == "terms":
        terms: Any = block.values
        filled = terms.toarray()
        filled[absent] = np.nan
        return sparse.csr_matrix(filled)
    return np.where(absent[:, None], np.nan, block.values)


def _turned(tensor: Tensor, away: Tensor) -> Tensor:
    """Other numbers or codes in some rows: those of the rows in turned order."""
    return torch.where(away.reshape(-1, *[1] * (tensor.ndim - 1)), tensor.flip(0), tensor)


def without(view: View, absent: Mapping[str, Rows]) -> View:
    """The same rows, of which some lack some modalities."""
    present = dict(view.inputs.present)
    for modality, rows in absent.items():
        present[modality] = present[modality].clone()
        present[modality][torch.from_numpy(rows)] = False
    inputs = replace(view.inputs, present=present)
    return poisoned(view_of(view.encoders, inputs))
