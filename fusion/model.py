"""The heart: members that answer the same questions, joined by a stack. Read this first."""

from collections.abc import Mapping

import torch
from torch import Tensor

from encoders.base import Encoder
from fusion.data.batch import ModelInputs
from fusion.members.base import Member
from fusion.members.network import NetworkMember
from fusion.members.view import View, view_of
from fusion.network import Raw
from fusion.stack import Stack, new_rows
from heads.base import Head


class ProductModel:
    """Predicts from whatever is known of a product: what is trained, saved and asked.

    The way of the data: encoders make model inputs of values (`fusion.embedding`). A view shows
    these as named blocks. Each member (networks, a kernel, trees ...) answers every head in its raw
    units. The stack joins the answers by the weights that erred least on rows held out. The heads
    read business units off the joined answer.

    Args:
        encoders: By modality.
        heads: By name; members share them.
        members: By name; those that the stack asks, and perhaps others.
        stack: How much each member counts in the answer of each head.

    Raises:
        ValueError: If the stack is of other heads, or asks a member that is not there.

    Example:
        >>> model = ProductModel({}, heads={}, members={}, stack=Stack({}))
        >>> model.modalities, model.blend_weights
        ((), {})
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        *,
        heads: Mapping[str, Head],
        members: Mapping[str, Member],
        stack: Stack,
    ) -> None:
        if stack.weights.keys() != heads.keys():
            raise ValueError(
                f"stack must be of the heads {', '.join(heads) or 'none'}, got "
                f"{', '.join(stack.weights) or 'none'}."
            )
        if missing := [name for name in stack.asked if name not in members]:
            raise ValueError(
                f"members must be those that the stack asks, got none called {', '.join(missing)}."
            )
        self.encoders = {name: encoder.eval() for name, encoder in sorted(encoders.items())}
        self.heads = dict(heads)
        self.members = dict(members)
        self.stack = stack

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, sorted."""
        return tuple(self.encoders)

    @property
    def blend_weights(self) -> dict[str, dict[str, float]]:
        """Head -> member -> how much it counts in the answer, in [0, 1]; sum 1."""
        return self.stack.weights

    def encoder(self, modality: str) -> Encoder:
        """The encoder of one modality; of one that trains, each network has a copy of its own."""
        return self.encoders[modality]

    def head(self, name: str) -> Head:
        """One head by its name."""
        return self.heads[name]

    def view(self, inputs: ModelInputs) -> View:
        """The rows of model inputs as members read them."""
        return view_of(self.encoders, inputs)

    @torch.inference_mode()
    def raw(self, inputs: ModelInputs) -> Raw:
        """Raw outputs `[n, n_networks, *target_shape, raw_dim]` of every head, blended."""
        view = self.view(inputs)
        asked = {name: self.members[name] for name in self.stack.asked}
        raws = {name: member.raw(view) for name, member in asked.items()}
        knows = {name: member.knows(view) for name, member in asked.items()}
        return self.stack.blend(raws, knows, new_rows(view))

    @torch.inference_mode()
    def fuse(self, inputs: ModelInputs) -> Tensor:
        """One vector `[n, fused_dim]`, float32, of all that is known of each row.

        It is what the networks make of their inputs; without networks embeddings and numbers side
        by side, zeros where they are absent.
        """
        view = self.view(inputs)
        for member in self.members.values():
            if isinstance(member, NetworkMember):
                return member.fuse(view)
        names = view.of_kinds("vectors", "numbers")
        parts = [torch.from_numpy(view.filled(name)).float() for name in names]
        return torch.cat([torch.zeros(len(view), 0), *parts], dim=1)
