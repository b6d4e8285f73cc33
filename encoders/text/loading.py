"""From the folder of a checkpoint to its transformer and tokenizer; no code of it is run."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from encoders.process_lock import LOADING
from encoders.process_state import OwnGenerators


def load_tokenizer(folder: Path, *, lower_case: bool = False) -> Any:
    """The fast tokenizer of a checkpoint folder; runs no code of the checkpoint.

    Args:
        folder: The checkpoint.
        lower_case: Lower-case texts first, whatever the tokenizer does then.

    Raises:
        ValueError: If only a slow (pure Python) tokenizer exists for this checkpoint.
    """
    with LOADING.held():
        from transformers import AutoTokenizer  # takes seconds to import

        tokenizer = AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    if not tokenizer.is_fast:
        raise ValueError(f"checkpoint must have a fast tokenizer (tokenizer.json), got {folder}.")
    if lower_case:
        _lower_case_first(tokenizer.backend_tokenizer)
    return tokenizer


def _lower_case_first(tokenizer: Any) -> None:
    from tokenizers import normalizers

    steps = [normalizers.Lowercase()]
    if tokenizer.normalizer is not None:
        steps.append(tokenizer.normalizer)
    tokenizer.normalizer = normalizers.Sequence(steps)


def load_model(folder: Path, *, dtype: torch.dtype) -> nn.Module:
    """The transformer of a checkpoint folder without its pooler, in evaluation mode.

    Its attention is torch's fused one, or the plain one where the family has no other. Weights are
    read as float32 and rounded afterwards: transformers would make another `dtype` the default of
    the whole process while it reads them.

    Raises:
        ValueError: If the file lacks weights of the model; none is ever drawn at random instead.
    """
    with LOADING.held(), OwnGenerators(0):
        model, report = _from_pretrained(folder)
    missing = sorted({*report["missing_keys"], *(str(key) for key in report["mismatched_keys"])})
    if missing:
        raise ValueError(
            f"checkpoint must hold every weight of {type(model).__name__}, got a file without "
            f"{', '.join(missing[:5])} ({folder}). Use a checkpoint of this architecture."
        )
    for weights in model.parameters():  # buffers that are computed stay exact
        weights.data = weights.data.to(dtype)
    module: nn.Module = model.eval()
    return module


def _from_pretrained(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The model in float32, and which of its weights were not found."""
    from transformers import MODEL_MAPPING, AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    model_class: Any = MODEL_MAPPING[type(config)]
    accepted = inspect.signature(model_class).parameters
    pooler = {"add_pooling_layer": False} if "add_pooling_layer" in accepted else {}
    with _quiet_transformers():
        model, report = AutoModel.from_pretrained(
            str(folder),
            config=config,
            dtype=torch.float32,
            attn_implementation="sdpa" if model_class._supports_sdpa else "eager",
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            **pooler,
        )
    return model, report


def longest_input(tokenizer: Any, model: Any) -> int:
    """Most tokens that a checkpoint reads; RoBERTa keeps its first positions for padding."""
    table = getattr(model.embeddings, "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    positions = model.config.max_position_embeddings - (0 if padding is None else padding + 1)
    return int(min(tokenizer.model_max_length, positions))


def check_vocabulary(tokenizer: Any, model: Any, *, folder: Path) -> None:
    """Refuse a tokenizer of another model: its token numbers would point past the weights.

    Raises:
        ValueError: If it has more tokens than the model, or none but the special ones.
    """
    if not 3 < len(tokenizer) <= model.config.vocab_size:
        raise ValueError(
            f"checkpoint must have a tokenizer of at most {model.config.vocab_size} tokens, got "
            f"{len(tokenizer)} ({folder}). Put the tokenizer of this model into the folder."
        )


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """No progress bar and no report about the removed pooler; missing weights raise instead."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    # A real bar, shown or not, would fix the start method of multiprocessing for good.
    shown = logging.set_tqdm_hook(lambda bar, values, options: logging.EmptyTqdm(*values))
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        logging.set_tqdm_hook(shown)
