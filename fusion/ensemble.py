"""What is trained, saved and asked: networks of one kind, blended with ridge and neighbours."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from encoders.base import Encoder, Tensors
from fusion.members.neighbours import NeighbourMember
from fusion.members.ridge import Blocks, RidgeMember
from fusion.network import FusionNetwork, Raw
from fusion.strategies.base import Embeddings, Present
from heads.base import Head


class ProductEnsemble(nn.Module):
    """Answers as members do together, blended with a ridge model and the nearest known items.

    Why: members that were stopped on different rows err differently; on a few thousand rows their
    mean gains more than any change of one of them. Source: Breiman (1996), bagging; Krogh and
    Vedelsby (1995), cross-validation ensembles.

    Shape:
        inputs `{modality: tensors}`, embeddings `{modality: [batch, dim]}`, present
        `{modality: [batch]}` -> `{head: [batch, n_networks, *target_shape, raw_dim]}`.

    Args:
        members: Models with the same modalities that share their heads, and encoders that do not
            train.
        linear: The ridge member; None where there is none.
        neighbours: The nearest known items; None where they count nothing.

    Raises:
        ValueError: If there is no member, their modalities differ, or they do not share their
            heads: what is calibrated once must hold for all of them.
    """

    def __init__(
        self,
        members: Sequence[FusionNetwork],
        *,
        linear: RidgeMember | None = None,
        neighbours: NeighbourMember | None = None,
    ) -> None:
        super().__init__()
        kinds = {
            (member.modalities, *((name, id(head)) for name, head in member.heads.items()))
            for member in members
        }
        if len(kinds) != 1:
            raise ValueError(
                "members must be one or more models with the same modalities that share their "
                f"heads, got {len(members)} of {len(kinds)} kinds."
            )
        self.members = nn.ModuleList(members)
        self._parts = [member.trained_part() for member in members]  # modules of the members
        self.linear = linear
        self.neighbours = neighbours

    @property
    def first(self) -> FusionNetwork:
        """The first member: it knows what all members share."""
        member = self.members[0]
        assert isinstance(member, FusionNetwork)
        return member

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, sorted."""
        return self.first.modalities

    @property
    def heads(self) -> dict[str, Head]:
        """Every head by its name; all members share them."""
        return self.first.heads

    @property
    def fused_dim(self) -> int:
        """Length of a fused vector: those of the members side by side."""
        return len(self.members) * self.first.fusion.fused_dim

    @property
    def blend_weights(self) -> dict[str, dict[str, float]]:
        """Head -> how much `networks`, `linear` and `neighbours` count in its answer; sum 1."""
        linear = {} if self.linear is None else self.linear.network_weights
        near = {} if self.neighbours is None else self.neighbours.neighbour_weights
        return {
            name: {
                "networks": (1.0 - near.get(name, 0.0)) * linear.get(name, 1.0),
                "linear": (1.0 - near.get(name, 0.0)) * (1.0 - linear.get(name, 1.0)),
                "neighbours": near.get(name, 0.0),
            }
            for name in self.heads
        }

    def encoder(self, modality: str) -> Encoder:
        """The encoder of one modality; of the first member where each trains its own."""
        return self.first.encoder(modality)

    def head(self, name: str) -> Head:
        """One head by its name."""
        return self.heads[name]

    def forward(
        self, inputs: Mapping[str, Tensors], embeddings: Embeddings, present: Present
    ) -> Raw:
        """Raw outputs of every head: the networks of all members, each blended."""
        answers = [part(inputs, embeddings, present) for part in self._parts]
        raw = {name: torch.cat([answer[name] for answer in answers], dim=1) for name in self.heads}
        if self.linear is not None:
            raw = self.linear.blend(raw, self.linear_blocks(inputs, embeddings), present)
        if self.neighbours is not None:
            raw = self.neighbours.blend(raw, embeddings, present)
        return raw

    def linear_blocks(self, inputs: Mapping[str, Tensors], embeddings: Embeddings) -> Blocks:
        """What the ridge member reads: embeddings of frozen encoders, plain numbers, indicators."""
        live = {name: self.encoder(name).linear_blocks(tensors) for name, tensors in inputs.items()}
        ready = {name: (vectors,) for name, vectors in embeddings.items()}
        return {name: blocks for name, blocks in {**ready, **live}.items() if blocks}

    def fuse(
        self, inputs: Mapping[str, Tensors], embeddings: Embeddings, present: Present
    ) -> Tensor:
        """Fused vectors `[batch, fused_dim]`: those of the members side by side."""
        vectors = []
        for member in self.members:
            assert isinstance(member, FusionNetwork)
            vectors.append(member.fuse({**embeddings, **member.encode(inputs)}, present))
        return torch.cat(vectors, dim=1)

    def state(self) -> dict[str, Tensor]:
        """Every weight that was trained or fitted, each once, by a name of its own."""
        tensors = {f"{i}.{key}": tensor for i, key, tensor in self._tensors()}
        if self.linear is not None:
            tensors |= {f"linear.{key}": v for key, v in self.linear.state_dict().items()}
        if self.neighbours is not None:
            tensors |= {f"neighbours.{key}": v for key, v in self.neighbours.state_dict().items()}
        return tensors

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes back what `state` gave.

        Raises:
            RuntimeError: If a weight is missing, left over or of another shape.
        """
        mine = self.state()
        if mine.keys() != tensors.keys():
            odd = sorted(mine.keys() ^ tensors.keys())
            raise RuntimeError(f"missing or left over: {', '.join(odd[:5])} ({len(odd)})")
        shapes = [name for name in mine if mine[name].shape != tensors[name].shape]
        if shapes:
            raise RuntimeError(f"of another shape: {', '.join(shapes[:5])} ({len(shapes)})")
        with torch.no_grad():
            for name, tensor in mine.items():
                tensor.copy_(tensors[name])

    def _tensors(self) -> list[tuple[int, str, Tensor]]:
        """Member, name and tensor; those of shared encoders with the first member only."""
        shared = tuple(
            f"encoders.{name}." for name in self.modalities if not self.encoder(name).is_trainable
        )
        return [
            (i, key, tensor)
            for i, part in enumerate(self._parts)
            for key, tensor in part.delta_state_dict().items()
            if i == 0 or not key.startswith(shared)
        ]
