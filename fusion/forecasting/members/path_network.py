"""The network behind a forecast: series and content of an item joined, then a decoder of steps."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from encoders.base import Encoder, Tensors
from encoders.series.steps import StepsEncoder
from fusion.forecasting.members.item_content import ItemBlock
from fusion.strategies.base import AbsentVectors
from fusion.strategies.dropout import Dropout, ModalityDropout
from fusion.strategies.trunk import Projection
from heads.decoders.base import Decoder, Memory

CONTENT_DIM = 32
"""Longer vectors of content are projected to so many numbers: else they drown the sales."""
CATEGORY_DIM = 8
"""Numbers that a level of a category becomes, at most."""
CONTENT_DROPOUT = 0.1
"""Chance that a block of an example is hidden in training, so that items may lack it later."""
DEPTH = 2
"""Layers between what is joined and the decoder."""


class PathBatch(NamedTuple):
    """What a network reads of `n` examples.

    Args:
        embedded: Ready embeddings `[n, embedding_dim]` of series encoders that do not train.
        tensors: Preprocessed windows of those that do.
        content: Values and presence masks of the blocks of items.
    """

    embedded: Mapping[str, Tensor]
    tensors: Mapping[str, Tensors]
    content: Mapping[str, tuple[Tensor, Tensor]]


class ContentVectors(nn.Module):
    """Each block of an item as a few numbers; what is absent never reaches them, even NaN.

    Shape:
        values `[n, size]` and masks `[n]` by block -> `[n, out_dim]`.

    Args:
        blocks: What is read.
        dropout: Share of the numbers of long vectors that is dropped in training, in [0, 1).
    """

    def __init__(self, blocks: Sequence[ItemBlock], *, dropout: float) -> None:
        super().__init__()
        sizes = {block.name: block.size for block in blocks if block.kind != "category"}
        levels = [block for block in blocks if block.kind == "category"]
        self._names = list(sizes)
        self._categories = [block.name for block in levels]
        self.hidden = ModalityDropout(CONTENT_DROPOUT)
        self.absent = AbsentVectors({str(place): size for place, size in enumerate(sizes.values())})
        self.projections = nn.ModuleList(
            Projection(size, projection_dim=CONTENT_DIM, dropout=dropout) for size in sizes.values()
        )
        self.levels = nn.ModuleList(
            nn.Embedding(block.size, min(CATEGORY_DIM, block.size)) for block in levels
        )

    @property
    def out_dim(self) -> int:
        """Numbers of one example."""
        projected = sum(cast(Projection, one).out_dim for one in self.projections)
        return projected + sum(cast(nn.Embedding, one).embedding_dim for one in self.levels)

    def forward(self, content: Mapping[str, tuple[Tensor, Tensor]]) -> list[Tensor]:
        """The numbers of each block, `[n, dim]` each."""
        if not content:
            return []
        masks = {name: there for name, (_, there) in content.items()}
        always = torch.ones_like(
            next(iter(masks.values()))
        )  # the series: all content may be hidden
        present = self.hidden({"": always, **masks})
        keys = {name: str(place) for place, name in enumerate(self._names)}
        filled = self.absent(
            {key: content[name][0] for name, key in keys.items()},
            {key: present[name] for name, key in keys.items()},
        )
        parts = [
            project(filled[key])
            for key, project in zip(keys.values(), self.projections, strict=True)
        ]
        for name, table in zip(self._categories, self.levels, strict=True):
            codes = torch.where(present[name], content[name][0], 0)
            parts.append(table(codes))  # 0 is the level of missing ones
        return parts


class PathNetwork(nn.Module):
    """Answers a path of steps from what was known of an item.

    Embeddings of its series and numbers of its content stand side by side; two layers mix them, and
    a decoder answers all steps and the window at once. A decoder that looks back at single periods,
    or at what is known ahead, gets them from the first series encoder that tells them.

    Shape:
        a batch of `n` examples -> `[n, 1, horizon + 1, raw_dim]`, before `SalesPathHead.ordered`.

    Args:
        encoders: Series encoders, by name.
        content: Of the blocks of items.
        decoder: Built for `width`.
        dropout: Share of values dropped in training, in [0, 1).
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        *,
        content: ContentVectors,
        decoder: Decoder,
        dropout: float,
    ) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(encoders)
        self.content = content
        self.decoder = decoder
        dim = content.out_dim + sum(one.embedding_dim for one in encoders.values())
        width = decoder.fused_dim
        layers: list[nn.Module] = []
        for place in range(DEPTH):
            layers += [nn.Linear(width if place else dim, width), nn.GELU(), Dropout(dropout)]
        self.trunk = nn.Sequential(*layers)

    def forward(self, batch: PathBatch) -> Tensor:
        """Free numbers `[n, 1, horizon + 1, raw_dim]`."""
        embedded = dict(batch.embedded)
        memory: Memory | None = None
        future: Tensor | None = None
        for name, tensors in batch.tensors.items():
            encoder = self.encoders[name]
            if isinstance(encoder, StepsEncoder):
                steps = encoder.steps(tensors)
                embedded[name] = steps.embedding
                if memory is None:
                    memory, future = Memory(steps.memory, steps.mask), tensors["future"]
            else:
                embedded[name] = encoder(tensors)
        parts = [embedded[name] for name in self.encoders] + self.content(batch.content)
        fused = self.trunk(torch.cat(parts, dim=1))[:, None]  # one network
        raw: Tensor = self.decoder(fused, memory, future)
        return raw
