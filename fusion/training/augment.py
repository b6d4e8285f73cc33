"""Changes of numbers and embeddings in training, so that rows are not learned by heart."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from encoders.base import Tensors
from fusion.strategies.base import Embeddings, Present


@dataclass(frozen=True)
class Mixup:
    """Moves each row's embeddings, and its target, towards those of another row.

    Why: between two products lie plausible ones; a network that was trained there is smoother.
    Source: Zhang et al. (2018), mixup; Verma et al. (2019), manifold mixup, section 2; differs: a
    row keeps at least half of itself, and a modality that one of the two lacks is not mixed.

    Args:
        partner: Position `[batch]` of the other row.
        share: Share of the row itself, in [0.5, 1].
    """

    partner: Tensor
    share: float

    @classmethod
    def drawn(cls, n_rows: int, *, strength: float, random: np.random.Generator) -> "Mixup":
        """Partners and a share, drawn at random.

        Args:
            n_rows: Rows of the batch.
            strength: Of the Beta distribution: 0.1 hardly mixes, 1 draws every share alike.
            random: Draws.
        """
        drawn = float(random.beta(strength, strength))
        return cls(torch.from_numpy(random.permutation(n_rows)), max(drawn, 1.0 - drawn))

    def __call__(self, embeddings: Embeddings, present: Present) -> Embeddings:
        """Mixed embeddings of the same shapes."""
        mixed = {}
        for name, vectors in embeddings.items():
            partner = self.partner.to(vectors.device)
            both = (present[name] & present[name][partner])[:, None]
            other = torch.where(both, vectors[partner], vectors)
            mixed[name] = self.share * vectors + (1.0 - self.share) * other
        return mixed

    def of_targets(self, targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Encoded targets, mixed alike; 0 and 1 become shares; NaN where one of the two is."""
        return {
            name: self.share * target + (1.0 - self.share) * self._of_partner(target)
            for name, target in targets.items()
        }

    def loss(
        self,
        loss: Callable[[Mapping[str, Tensor]], Tensor],
        targets: Mapping[str, Tensor],
        labels: Collection[str],
    ) -> Tensor:
        """Loss of mixed rows: of mixed targets, or mixed itself where targets are labels.

        Why: between label 0 and label 2 does not lie label 1. A cross-entropy is linear in the
        target, so a mixed loss is that of mixed classes.

        Args:
            loss: Of encoded targets `[batch, *target_shape]` of each head.
            targets: Those of the rows themselves.
            labels: Heads whose targets are positions of labels.
        """
        mixed = self.of_targets(targets)
        if not labels:
            return loss(mixed)
        own, other = dict(mixed), dict(mixed)
        for name in labels:
            known = ~mixed[name].isnan()
            own[name] = targets[name].where(known, torch.nan)
            other[name] = self._of_partner(targets[name]).where(known, torch.nan)
        return self.share * loss(own) + (1.0 - self.share) * loss(other)

    def _of_partner(self, target: Tensor) -> Tensor:
        return target[self.partner.to(target.device)]


def with_noise(
    inputs: Mapping[str, Tensors],
    encoders: nn.ModuleDict,
    *,
    strength: float,
    random: np.random.Generator,
) -> dict[str, Tensors]:
    """Inputs whose numbers are moved at random, by `strength` standard deviations.

    It changes the product where a number is exact by nature, such as a size; missing stays missing.
    """

    def moved(numbers: Tensor, encoder: nn.Module) -> Tensor:
        scale = encoder.get_buffer("scale").to(numbers.device)
        drawn = torch.from_numpy(random.standard_normal(tuple(numbers.shape)))
        return numbers + strength * scale * drawn.to(numbers)

    return {
        name: {**tensors, "numbers": moved(tensors["numbers"], encoders[name])}
        if "numbers" in tensors
        else tensors
        for name, tensors in inputs.items()
    }
