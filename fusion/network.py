"""One network: encoders, a fusion and decoders, joined and trained together."""

from collections.abc import Callable, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from encoders.base import Encoder, Tensors
from fusion.strategies.base import Embeddings, Fusion, Present
from heads.base import Head
from heads.decoders.base import Decoder
from heads.decoders.named import NamedDecoders

Raw = dict[str, Tensor]
"""Head -> what is answered, before decoding: `[n, n_networks, *target_shape, raw_dim]`."""
Change = Callable[[Embeddings, Present], Embeddings]


class FusionNetwork(nn.Module):
    """Predicts from whatever is known of a product: encode each modality, fuse, decode.

    A head is a question without weights: its loss, and what raw outputs say in business units. The
    decoder of the same name is how this network answers it.

    Frozen and trained encoders share one corridor: both end in `{modality: [batch, dim]}`. Whoever
    has embeddings at hand (from a store, say) starts in the middle, with `forward_embeddings`.

    Shape:
        inputs `{modality: tensors}`, present `{modality: [batch]}` ->
        `{head: [batch, n_networks, *target_shape, raw_dim]}`.

    Args:
        encoders: One encoder for each modality.
        fusion: A fusion whose dims are the embedding lengths of the encoders.
        heads: One head for each question; other networks may share them.
        decoders: One decoder for each head, each built for `fusion.fused_dim`.

    Raises:
        ValueError: If the fusion was built for other modalities or lengths, or heads and decoders
            have other names.

    Example:
        >>> from encoders import NumericEncoder
        >>> from fusion.strategies import JoinFusion
        >>> from heads import RegressionHead
        >>> from heads.decoders import LinearDecoder
        >>> numbers, price = NumericEncoder.tiny(), RegressionHead()
        >>> fusion = JoinFusion({"numeric": numbers.embedding_dim})
        >>> model = FusionNetwork(
        ...     {"numeric": numbers},
        ...     fusion=fusion,
        ...     heads={"price": price},
        ...     decoders={"price": LinearDecoder(fusion.fused_dim, price)},
        ... )
        >>> model.modalities
        ('numeric',)
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        *,
        fusion: Fusion,
        heads: Mapping[str, Head],
        decoders: Mapping[str, Decoder],
    ) -> None:
        super().__init__()
        dims = {name: encoder.embedding_dim for name, encoder in sorted(encoders.items())}
        if dims != fusion.dims:
            raise ValueError(f"fusion must be built for {dims}, got dims {fusion.dims}.")
        if not heads:
            raise ValueError("heads must hold at least one head, got none.")
        if tuple(heads) != tuple(decoders):
            raise ValueError(
                f"decoders must be those of the heads {', '.join(heads)}, in their order, got "
                f"{', '.join(decoders) or 'none'}."
            )
        self.encoders = nn.ModuleDict(dict(sorted(encoders.items())))
        self.fusion = fusion
        self.heads = dict(heads)
        self.decoders = NamedDecoders(dict(decoders))

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, sorted."""
        return tuple(self.encoders)

    def encoder(self, modality: str) -> Encoder:
        """The encoder of one modality."""
        return cast(Encoder, self.encoders[modality])

    def decoder(self, name: str) -> Decoder:
        """The decoder of one head."""
        return cast(Decoder, self.decoders[name])

    @property
    def is_closed_form(self) -> bool:
        """True where every decoder is solved at once, without gradient steps."""
        return all(self.decoder(name).closed_form for name in self.heads)

    def forward(self, inputs: Mapping[str, Tensors], present: Present) -> Raw:
        """Raw outputs of every head from preprocessed values of every modality."""
        return self.forward_embeddings(self.encode(inputs), present)

    def encode(self, inputs: Mapping[str, Tensors]) -> Embeddings:
        """Embeddings `{modality: [batch, dim]}` of the modalities in `inputs`."""
        return {name: self.encoders[name](tensors) for name, tensors in inputs.items()}

    def forward_embeddings(self, embeddings: Embeddings, present: Present) -> Raw:
        """Raw outputs of every head from embeddings of every modality."""
        fused = self.fusion(embeddings, present)
        return {name: decoder(fused) for name, decoder in self.decoders.items()}

    def fuse(self, embeddings: Embeddings, present: Present) -> Tensor:
        """Fused vectors `[batch, fused_dim]`: the mean over the networks of the fusion."""
        fused: Tensor = self.fusion(embeddings, present)
        return fused.mean(dim=1)

    def trained_part(self) -> "TrainedPart":
        """The modules that training changes; frozen encoders are left out."""
        return TrainedPart(self)


class TrainedPart(nn.Module):
    """Fusion, decoders and the encoders that train: what is optimised, kept and saved.

    Its modules are the model's own, so training it trains the model.
    """

    def __init__(self, model: FusionNetwork) -> None:
        super().__init__()
        changed = {
            name: model.encoder(name)
            for name in model.modalities
            if model.encoder(name).delta_state_dict() or model.encoder(name).is_trainable
        }
        self.encoders = nn.ModuleDict(changed)
        self.fusion = model.fusion
        self.decoders = model.decoders

    def forward(
        self,
        inputs: Mapping[str, Tensors],
        embeddings: Embeddings,
        present: Present,
        change: Change | None = None,
    ) -> Raw:
        """Raw outputs of every head from live inputs and ready embeddings together.

        Args:
            inputs: Preprocessed values of the encoders that run here.
            embeddings: Ready embeddings of the others.
            present: Masks of all modalities.
            change: Changes embeddings before they are fused, in training.
        """
        live = {name: self.encoders[name](tensors) for name, tensors in inputs.items()}
        known = {**embeddings, **live}
        fused = self.fusion(known if change is None else change(known, present), present)
        return {name: decoder(fused) for name, decoder in self.decoders.items()}

    def delta_state_dict(self) -> dict[str, Tensor]:
        """Weights that no checkpoint holds, by the names of `state_dict`."""
        return {
            **{
                f"encoders.{modality}.{name}": tensor
                for modality, encoder in self.encoders.items()
                for name, tensor in cast(Encoder, encoder).delta_state_dict().items()
            },
            **{f"fusion.{name}": tensor for name, tensor in self.fusion.state_dict().items()},
            **{f"decoders.{name}": tensor for name, tensor in self.decoders.state_dict().items()},
        }

    def load_delta_state_dict(self, weights: Mapping[str, Tensor]) -> None:
        """Takes back what `delta_state_dict` gave; names that are not there stay as they are."""
        own = self.delta_state_dict()
        with torch.no_grad():
            for name, weight in weights.items():
                own[name].copy_(weight)
