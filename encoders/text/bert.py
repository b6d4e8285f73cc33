"""Product texts to embeddings with any BERT-family checkpoint."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from encoders.adapter import Adapter, adapter_config, as_adapter, reached
from encoders.base import Encoder, Tensors, length_prefixed_hash, state_hash
from encoders.dtype import resolve_dtype
from encoders.names import BACKENDS
from encoders.stream import ReadPart
from encoders.text.bert_forward import (
    PACKED_TOKENS,
    is_plain_bert,
    packed_batches,
    packed_pooled,
)
from encoders.text.checkpoints import find_checkpoint
from encoders.text.families import FLOAT32_ALONE
from encoders.text.int8 import Int8Model
from encoders.text.loading import check_vocabulary, load_model, load_tokenizer, longest_input
from encoders.text.normalise import normalise_text
from encoders.text.sentence import POOLINGS, SentenceSettings, build_steps, pool
from encoders.text.steady import ROW_MULTIPLE, SteadyLinear
from encoders.text.tiny_bert import tiny_checkpoint
from encoders.text.tokens import MAX_CHUNKS, Tokens

USUAL_LENGTH = 256
"""Tokens read of one text where neither the caller nor the checkpoint says a number."""
CHARACTERS_PER_TOKEN = 32
"""Characters read for each token of `max_length`; what lies behind them is cut unread."""
PADDED_TOKENS = {"cpu": 4096, "cuda": 65536}
"""Tokens, padding included, of one batch: large enough to fill the machine, small to cache."""
COMPUTED_AS = 3
"""Goes up where the same weights give other last bits: stored embeddings are then made anew."""


class BertEncoder(Encoder):
    """Embeds texts with a pretrained BERT, frozen unless it has an adapter.

    Why: one text is one string, in any language the checkpoint knows; an empty text is absent.
    Embeddings do not depend on the batch: padding is masked, and pooling sums in float32.
    Source: Devlin et al. (2019); mean pooling: Reimers and Gurevych (2019), section 3.

    Args:
        checkpoint: `"minilm"` (all-MiniLM-L6-v2, offline), a local folder or a hub id.
        pooling: `"mean"` over the tokens, `"cls"`, the first token, `"max"`, or
            `"mean_sqrt_len_tokens"`, the sum over the root of their number; None is what
            sentence-transformers wrote into the checkpoint, the mean where it says nothing.
            Dense layers, unit length, prompts and lower case are always as written there.
        max_length: Tokens read of one part, special ones included; None is what
            sentence-transformers wrote into the checkpoint, else the smaller of 256 and what the
            checkpoint can read.
        long_text: `"truncate"` reads the first `max_length` tokens, `"chunks"` averages up to 16
            chunks of that length.
        dtype: `"auto"`, `"float32"` or `"bfloat16"`; auto is bfloat16 where the processor has it
            (see `encoders.dtype`). float32 where there is an adapter, another backend, or a family
            that cannot be rounded (DeBERTa, the first version).
        revision: Commit, tag or branch of a hub checkpoint.
        adapter: What tuning may change or has changed; then weights are float32.
        backend: `"torch"`, or `"onnx"` or `"openvino"`: linear layers in int8 on the CPU, frozen
            and float32 otherwise (see `Int8Model`). The fingerprint then has the version of that
            package too: after an update, embeddings are made anew.

    Raises:
        ImportError: If packages of the checkpoint or the backend are not installed.
        ValueError: If the checkpoint cannot be used, or options do not go together.

    Example:
        >>> BertEncoder.tiny().encode(["a red dress", None]).shape
        (2, 32)
    """

    modality: ClassVar[str] = "text"
    cacheable: ClassVar[bool] = True

    def __init__(
        self,
        checkpoint: str = "minilm",
        *,
        pooling: str | None = None,
        max_length: int | None = None,
        long_text: str = "truncate",
        dtype: str = "auto",
        revision: str | None = None,
        adapter: Adapter | Mapping[str, Any] | None = None,
        backend: str = "torch",
    ) -> None:
        super().__init__()
        if pooling is not None:
            _check_choice("pooling", pooling, POOLINGS)
        _check_choice("long_text", long_text, ("truncate", "chunks"))
        _check_choice("backend", backend, BACKENDS)
        found = find_checkpoint(checkpoint, revision=revision)
        self.takes_bfloat16 = found.family not in FLOAT32_ALONE
        exact = {
            "an adapter": adapter is not None,
            f"backend {backend!r}": backend != "torch",
            f"a checkpoint of the family {found.family}": not self.takes_bfloat16,
        }
        reasons = [what for what, holds in exact.items() if holds]
        if reasons and dtype == "bfloat16":
            raise ValueError(
                f"dtype must be float32 with {' and '.join(reasons)}, got {dtype!r}. Leave it out."
            )
        dtype = "float32" if reasons and dtype == "auto" else resolve_dtype(dtype)
        self._checkpoint = found
        pooling = pooling or _supported_pooling(found.sentence, folder=found.folder)
        tokenizer = load_tokenizer(found.folder, lower_case=found.sentence.lower_case)
        self.model = load_model(found.folder, dtype=getattr(torch, dtype)).requires_grad_(False)
        self._steps = build_steps(found.folder, found.sentence).requires_grad_(False)
        check_vocabulary(tokenizer, self.model, folder=found.folder)
        limit = longest_input(tokenizer, self.model)
        self._config: dict[str, Any] = {
            "checkpoint": str(checkpoint),
            "pooling": pooling,
            "max_length": _checked_length(
                max_length, limit=limit, usual=found.sentence.max_length or USUAL_LENGTH
            ),
            "long_text": long_text,
            "dtype": dtype,
            "revision": revision,
            "backend": backend,
        }
        self._limit = limit
        self._padding = int(tokenizer.pad_token_id or 0)
        self._tokens = Tokens(
            tokenizer,
            prompt=found.sentence.prompt,
            max_length=self._config["max_length"],
            in_chunks=long_text == "chunks",
        )
        self._int8 = None if backend == "torch" else Int8Model(self.model, backend=backend)
        self.eval()
        if adapter is not None:
            self.adapt(as_adapter(adapter))

    @property
    def embedding_dim(self) -> int:
        """Width of the last dense layer, of the hidden states where there is none."""
        for step in reversed(self._steps):
            if isinstance(step, nn.Sequential):
                return int(step[0].out_features)  # type: ignore[arg-type]
        return int(self.model.config.hidden_size)  # type: ignore[union-attr,arg-type]

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that rebuild this encoder, with `dtype` and `max_length` resolved."""
        return {**self._config, "adapter": adapter_config(self.adapter)}

    @property
    def origin(self) -> dict[str, str]:
        """Name and hashes of the checkpoint."""
        return {"name": self._checkpoint.name, "revision": self._checkpoint.revision, **self._files}

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of files and options; where the files lie does not matter."""
        return self.fingerprint_in(self._config["dtype"])

    def fingerprint_in(self, dtype: str) -> str:
        """The fingerprint that the same encoder has when it computes in another format."""
        aside = ("checkpoint", "revision", "backend")
        options = {k: v for k, v in self._config.items() if k not in aside} | {"dtype": dtype}
        options["computed_as"] = COMPUTED_AS
        options |= self._checkpoint.sentence.options
        if self._int8 is not None:
            options |= {"backend": self._config["backend"], "runtime": self._int8.version}
        files = {**self._files}
        if self.adapter is not None:
            options |= {"adapter": adapter_config(self.adapter)}
            files["adapter_sha256"] = state_hash(self.delta_state_dict())
        texts = [
            type(self).__name__,
            *(f"{k}={v}" for k, v in sorted({**options, **files}.items())),
        ]
        return length_prefixed_hash([text.encode() for text in texts])

    @property
    def blocks(self) -> list[nn.Module]:
        """The token embeddings, then the layers."""
        return [self.model.get_submodule("embeddings"), *self._layers()]

    def adapt(self, adapter: Adapter) -> None:
        """See `Encoder.adapt`.

        Raises:
            ImportError: If LoRA is asked for and peft is not installed.
            ValueError: If weights are not float32, the backend is not torch, the checkpoint has
                fewer layers, or the encoder is adapted already.
        """
        if self._int8 is not None:
            raise ValueError(
                f"adapter must be None with backend {self._config['backend']!r}: int8 cannot "
                "train. Use backend='torch'."
            )
        if self._config["dtype"] != "float32":
            raise ValueError(
                f"dtype must be float32 to be adapted, got {self._config['dtype']!r}: weights that "
                "were rounded once stay so. Build the encoder with dtype='float32'."
            )
        super().adapt(adapter)

    def train(self, mode: bool = True) -> Self:
        """Switch the layers that train to training or evaluation; frozen ones stay in eval."""
        super().train(mode and self.is_trainable)
        self.model.eval()
        if self.adapter is not None and self.is_trainable:
            for block in reached(self.adapter, self.blocks):
                block.train(mode)
        return self

    def parts(self, value: Any) -> list[str]:
        """The normalised text, or its chunks; none if the text is absent or empty."""
        text = self._normalised(value)
        if not text:
            return []
        return self._tokens.chunks(text)

    def content(self, part: Any) -> bytes:
        """UTF-8 of the normalised text."""
        return self._normalised(part).encode()

    def read(self, parts: Sequence[Any]) -> list[ReadPart]:
        """Token numbers of each text; `text_truncated` warns of one whose end is not read."""
        read: list[ReadPart] = []
        for part in parts:
            try:
                read.append(ReadPart(self._normalised(part)))
            except (ValueError, TypeError) as error:
                read.append(ReadPart(error=error))
        sound = [place for place, part in enumerate(read) if part.error is None]
        tokens, cut = self._tokens.numbers([read[place].value for place in sound])
        for place, numbers, is_cut in zip(sound, tokens, cut, strict=True):
            full = len(read[place].value) >= self._max_characters - 1  # a space may be trimmed
            read[place] = ReadPart(numbers, ("text_truncated",) if is_cut or full else ())
        return read

    def batches(self, values: Sequence[Any]) -> Iterator[list[int]]:
        """Positions of texts that are computed together: of like lengths, or of one padded length.

        Why: a text is padded by its own length alone, so its bits do not depend on the others.
        """
        if self._packs:
            tokens = PACKED_TOKENS[getattr(torch, self._config["dtype"])]
            yield from packed_batches([len(numbers) for numbers in values], n_tokens=tokens)
            return
        widths = [self._padded(len(tokens)) for tokens in values]
        budget = PADDED_TOKENS.get(self._device.type, PADDED_TOKENS["cpu"])
        for width, group in groupby(
            sorted(range(len(values)), key=widths.__getitem__), key=widths.__getitem__
        ):
            alike = list(group)
            rows = max(1, budget // width)
            yield from (alike[start : start + rows] for start in range(0, len(alike), rows))

    def preprocess(self, values: Any) -> Tensors:
        """Token numbers and their mask, padded to the longest text and a multiple of 8.

        Shape:
            `input_ids` and `attention_mask`: `[len(values), tokens]`, int64.

        Raises:
            ValueError: If a text holds a NUL character or a lone surrogate.
            TypeError: If a value is neither a string nor None.
        """
        return self.collate(self._tokens.numbers([self._normalised(value) for value in values])[0])

    def collate(self, values: Sequence[Any]) -> Tensors:
        """Token numbers `[len(values), tokens]` and their mask from lists of numbers."""
        width = self._padded(max(map(len, values), default=1))
        ids = torch.full((len(values), width), self._padding)
        mask = torch.zeros_like(ids)
        for row, numbers in enumerate(values):
            ids[row, : len(numbers)] = torch.tensor(numbers)
            mask[row, : len(numbers)] = 1
        return {"input_ids": ids, "attention_mask": mask}

    def forward(self, tensors: Tensors) -> Tensor:
        """Pooled hidden states `[batch, embedding_dim]`, float32 whatever the model computes in."""
        ids = tensors["input_ids"].to(self._device, non_blocking=True)
        mask = tensors["attention_mask"].to(self._device, non_blocking=True)
        if not len(ids):
            return torch.zeros(0, self.embedding_dim, device=self._device)
        pooling = self._config["pooling"]
        if self._packs and _is_padded_behind(mask):
            pooled = packed_pooled(self.model, ids, mask, mode=pooling)
        else:
            pooled = pool(self._hidden(ids, mask).float(), mask, mode=pooling)
        filled = nn.functional.pad(pooled, (0, 0, 0, -len(pooled) % ROW_MULTIPLE))
        with self._in_any_company():
            return torch.as_tensor(self._steps(filled)[: len(pooled)])

    @classmethod
    def tiny(cls) -> Self:
        """Two layers of 32 dimensions with fixed random weights and a small vocabulary."""
        return cls(str(tiny_checkpoint()), dtype="float32", max_length=32)

    @property
    def _files(self) -> dict[str, str]:
        names = ("weights_sha256", "tokenizer_sha256", "config_sha256")
        files = {name: getattr(self._checkpoint, name) for name in names}
        dense = self._checkpoint.dense_sha256
        return {**files, "dense_sha256": dense} if dense else files

    @property
    def _device(self) -> torch.device:
        if self._int8 is not None:
            return torch.device("cpu")
        return next(self.model.parameters()).device

    @property
    def _packs(self) -> bool:
        """True where texts are computed without padding: a frozen BERT on the CPU."""
        plain = self._int8 is None and self._device.type == "cpu" and is_plain_bert(self.model)
        return plain and not self.is_trainable and not torch.is_autocast_enabled("cpu")

    def _hidden(self, ids: Tensor, mask: Tensor) -> Tensor:
        if self._int8 is not None:
            return self._int8(ids, mask)
        with self._in_any_company():
            return torch.as_tensor(self.model(input_ids=ids, attention_mask=mask).last_hidden_state)

    def _in_any_company(self) -> AbstractContextManager[Any]:
        """Products of a frozen model keep a text's bits; in training, only speed counts."""
        return nullcontext() if self.is_trainable else SteadyLinear()

    def _layers(self) -> nn.ModuleList:
        depth = self.model.config.num_hidden_layers  # type: ignore[union-attr]
        for module in self.model.modules():
            if isinstance(module, nn.ModuleList) and len(module) == depth:
                return module
        family = self.model.config.model_type  # type: ignore[union-attr]
        raise ValueError(
            f"checkpoint must have weights of its own in each layer to be tuned, got {family!r}, "
            f"whose layers share theirs ({self._checkpoint.folder}). Use another checkpoint."
        )

    def _normalised(self, value: Any) -> str:
        if value is None:
            return ""
        return normalise_text(value, max_characters=self._max_characters)

    @property
    def _max_characters(self) -> int:
        """Characters that are read of one text."""
        chunks = MAX_CHUNKS if self._config["long_text"] == "chunks" else 1
        return CHARACTERS_PER_TOKEN * int(self._config["max_length"]) * chunks

    def _padded(self, n_tokens: int) -> int:
        """Width of the tensor for a text: a multiple of 8, which vector units fill."""
        return max(n_tokens, min(-(-n_tokens // 8) * 8, self._limit))


def _check_choice(name: str, value: str, valid: tuple[str, ...]) -> None:
    if value not in valid:
        raise ValueError(f"{name} must be one of {', '.join(valid)}, got {value!r}.")


def _supported_pooling(sentence: SentenceSettings, *, folder: Path) -> str:
    if sentence.pooling not in POOLINGS:
        raise ValueError(
            f"pooling of a checkpoint must be one of {', '.join(POOLINGS)}, got "
            f"{sentence.pooling!r} ({folder}). Use another checkpoint, or choose pooling yourself."
        )
    return sentence.pooling


def _is_padded_behind(mask: Tensor) -> bool:
    """True where each text has tokens, and only behind the last of them is padding."""
    return bool(mask[:, 0].all()) and bool((mask[:, 1:] <= mask[:, :-1]).all())


def _checked_length(max_length: int | None, *, limit: int, usual: int) -> int:
    if max_length is None:
        return min(usual, limit)
    if not 3 <= max_length <= limit:
        raise ValueError(f"max_length must be from 3 to {limit}, got {max_length}.")
    return max_length
