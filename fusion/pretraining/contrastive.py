"""Photos and texts of the same item come together, those of others apart."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from encoders.base import Encoder, Tensors
from encoders.image.augmentation import GENTLE
from fusion.pretraining.objective import Batch, Objective
from fusion.pretraining.rows import Places, PretrainingRows
from fusion.pretraining.settings import PretrainingSettings

PROJECTION_DIM = 128
MAX_SCALE = 100.0


class ContrastiveObjective(Objective):
    """Loss of telling which text belongs to which photo of a batch.

    Why: descriptions name what photos show, so both encoders learn what the other one sees.
    Source: Radford et al. (2021), section 2.3 and figure 3; Zhai et al. (2023), section 3.
    *differs:* a photo and a text that belong together in any row are no negatives of each other,
    because catalogues repeat both and items have several photos; the bias of `siglip` begins at the
    log odds of a pair in the batch, which at the paper's batch size is its -10; both losses limit
    the scale, and photos are also mirrored.
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        rows: PretrainingRows,
        settings: PretrainingSettings,
    ) -> None:
        super().__init__(encoders, rows, settings)
        settings = settings.suited()
        self.loss = LOSSES[settings.loss]
        self.projections = nn.ModuleDict(
            {
                modality: nn.Linear(encoders[modality].embedding_dim, PROJECTION_DIM, bias=False)
                for modality in settings.modalities
            }
        )
        self.log_scale = nn.Parameter(torch.tensor(-math.log(settings.temperature or 1.0)))
        odds = 1.0 / max(settings.batch_size - 1, 1)
        has_bias = settings.loss == "siglip"  # a softmax is the same with any
        self.bias = nn.Parameter(torch.tensor(math.log(odds)), requires_grad=has_bias)

    def batch(self, rows: Places, generator: torch.Generator) -> Batch:
        """Tokens, pixels, and which other photos and texts `[n, n]` belong together."""
        image = self.rows.tensors("image", rows)
        return {
            "text": self.rows.tensors("text", rows),
            "image": {**image, "pixels": GENTLE(image["pixels"], generator=generator)},
            "pairs": {"known": torch.from_numpy(self.rows.known_pairs(rows))},
        }

    def forward(self, batch: Batch) -> Tensor:
        """Loss of a batch of pairs."""
        texts, photos = (self.project(name, batch[name]) for name in ("text", "image"))
        scale = self.log_scale.exp().clamp(max=MAX_SCALE)
        return self.loss(photos @ texts.T * scale + self.bias, batch["pairs"]["known"])

    def project(self, modality: str, tensors: Tensors) -> Tensor:
        """Unit vectors `[n, 128]` of one modality."""
        projection = self.projections[modality]
        return F.normalize(projection(self.encoder(modality)(tensors)), dim=1)


def clip_loss(logits: Tensor, left_out: Tensor) -> Tensor:
    """Mean cross entropy of finding the text of each photo and the photo of each text.

    Args:
        logits: `[n, n]`, photos by texts; pairs stand on the diagonal.
        left_out: `[n, n]`, True for pairs that do not count.
    """
    logits = logits.masked_fill(left_out, -math.inf)
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def siglip_loss(logits: Tensor, left_out: Tensor) -> Tensor:
    """Binary cross entropy of each photo with each text, summed over texts, mean over photos.

    Args:
        logits: `[n, n]`, photos by texts; pairs stand on the diagonal.
        left_out: `[n, n]`, True for pairs that do not count.
    """
    signs = 2 * torch.eye(len(logits), device=logits.device) - 1
    losses = -F.logsigmoid(signs * logits).masked_fill(left_out, 0.0)
    return losses.sum() / len(logits)


LOSSES = {"clip": clip_loss, "siglip": siglip_loss}
