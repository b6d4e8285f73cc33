"""Hidden words of a text are guessed from those around them."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from encoders.base import Encoder
from encoders.text.checkpoints import find_checkpoint
from encoders.text.loading import load_tokenizer
from fusion.pretraining.objective import Batch, Objective
from fusion.pretraining.rows import Places, PretrainingRows
from fusion.pretraining.settings import PretrainingSettings

NOT_GUESSED = -100
"""Label of a token that does not count."""
HIDDEN, REPLACED = 0.8, 0.1


class MaskedLanguageObjective(Objective):
    """Loss of guessing hidden tokens, in nats a token.

    Why: a checkpoint that was made from general texts learns the words of a shop.
    Source: Devlin et al. (2019), section 3.1 and appendix A.1: of the chosen tokens 80 % are
    hidden, 10 % replaced, 10 % kept; the output weights are the token embeddings. *differs:* a
    replacement is never a special token, and other tokens are chosen each epoch.

    Raises:
        ValueError: If the text encoder has no mask token.
    """

    min_batch: ClassVar[int] = 1

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        rows: PretrainingRows,
        settings: PretrainingSettings,
    ) -> None:
        super().__init__(encoders, rows, settings)
        tokenizer = tokenizer_of(encoders["text"])
        if tokenizer.mask_token_id is None:
            raise ValueError(
                "the text encoder must have a mask token for objective 'mlm', got a checkpoint "
                f"without one: {encoders['text'].config['checkpoint']}. Use another of BERT's kind."
            )
        special = set(tokenizer.all_special_ids)
        self.ordinary = torch.tensor([n for n in range(len(tokenizer)) if n not in special])
        self.mask_token = int(tokenizer.mask_token_id)
        self.share = settings.mask_share
        embedding_dim = self.embedding.embedding_dim
        self.head = nn.Sequential(
            nn.Linear(encoders["text"].embedding_dim, embedding_dim),
            nn.GELU(),
            nn.LayerNorm(embedding_dim),
        )
        self.bias = nn.Parameter(torch.zeros(self.embedding.num_embeddings))

    @property
    def embedding(self) -> nn.Embedding:
        """The token embeddings of the encoder."""
        found: nn.Embedding = self._model.get_input_embeddings()
        return found

    @property
    def _model(self) -> Any:
        return self.encoder("text").get_submodule("model")

    def batch(self, rows: Places, generator: torch.Generator) -> Batch:
        """Changed tokens, their mask, and the hidden truth as `labels`."""
        text = self.rows.tensors("text", rows)
        ids, labels = hide_tokens(
            text["input_ids"],
            share=self.share,
            mask_token=self.mask_token,
            ordinary=self.ordinary,
            generator=generator,
        )
        return {"text": {**text, "input_ids": ids, "labels": labels}}

    def forward(self, batch: Batch) -> Tensor:
        """Mean cross entropy of the guesses; zero where none is asked for."""
        text = batch["text"]
        hidden = self._model(
            input_ids=text["input_ids"], attention_mask=text["attention_mask"]
        ).last_hidden_state
        asked = text["labels"] != NOT_GUESSED
        logits = F.linear(self.head(hidden[asked]), self.embedding.weight, self.bias)
        total = F.cross_entropy(logits, text["labels"][asked], reduction="sum")
        return total / asked.sum().clamp(min=1)


def hide_tokens(
    ids: Tensor, *, share: float, mask_token: int, ordinary: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Tokens of which some are changed, and the truth about those that are to be guessed.

    Args:
        ids: `[n, tokens]`, int64.
        share: Chance of each ordinary token to be chosen.
        mask_token: What stands for a hidden token.
        ordinary: Numbers of the tokens that are words or their parts.
        generator: Where chance comes from.

    Returns:
        Tokens and labels, both `[n, tokens]`; labels are -100 where nothing is to be guessed.
    """
    chance = torch.rand((2, *ids.shape), generator=generator)
    chosen = (chance[0] < share) & torch.isin(ids, ordinary)
    drawn = ordinary[torch.randint(len(ordinary), ids.shape, generator=generator)]
    changed = torch.where(chosen & (chance[1] < HIDDEN), mask_token, ids)
    replaced = chosen & (chance[1] >= HIDDEN) & (chance[1] < HIDDEN + REPLACED)
    return torch.where(replaced, drawn, changed), torch.where(chosen, ids, NOT_GUESSED)


def tokenizer_of(encoder: Encoder) -> Any:
    """A fresh tokenizer of a text encoder's checkpoint, as its files have it."""
    found = find_checkpoint(encoder.config["checkpoint"], revision=encoder.config["revision"])
    return load_tokenizer(found.folder)
