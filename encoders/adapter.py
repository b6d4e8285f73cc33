"""What tuning may change of a pretrained encoder: its last layers, or matrices beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from torch import nn

Kind = Literal["layers", "lora"]
MOST_RANK = 1024


@dataclass(frozen=True)
class Adapter:
    """The part of a pretrained encoder that tuning changes; the rest stays the checkpoint's.

    Why: only this part has to be trained, saved and hashed; the checkpoint is named, not copied.

    Args:
        kind: `"layers"`: the weights of the last layers themselves; `"lora"`: matrices of a low
            rank that are added to their linear layers and convolutions (Hu et al., 2021).
        layers: How many of the last layers (of a ResNet: stages) it reaches; None is the whole
            encoder, embeddings or stem included.
        rank: Rank of the added matrices; only for `"lora"`.
        is_trainable: True while these weights train together with a model; then no store may keep
            embeddings.

    Raises:
        ValueError: If a field is out of its range.
    """

    kind: Kind = "layers"
    layers: int | None = None
    rank: int = 8
    is_trainable: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be followed."""
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind must be one of layers, lora, got {self.kind!r}.")
        if self.layers is not None and self.layers < 1:
            raise ValueError(f"layers must be at least 1, or None for all, got {self.layers}.")
        if not 1 <= self.rank <= MOST_RANK:
            raise ValueError(
                f"rank must be from 1 to {MOST_RANK}, got {self.rank}. Usual: 4 to 32."
            )


def as_adapter(value: Adapter | Mapping[str, Any]) -> Adapter:
    """An adapter, or one from what a configuration holds."""
    return Adapter(**value) if isinstance(value, Mapping) else value


def reached(adapter: Adapter, blocks: "Sequence[nn.Module]") -> "list[nn.Module]":
    """The blocks that an adapter reaches, from the input to the output.

    Args:
        adapter: What may change.
        blocks: Embeddings or stem first, then the layers or stages.

    Raises:
        ValueError: If there are fewer layers.
    """
    n_layers = len(blocks) - 1
    if adapter.layers is None:
        return list(blocks)
    if adapter.layers > n_layers:
        raise ValueError(f"layers must be from 1 to {n_layers}, got {adapter.layers}.")
    return list(blocks[-adapter.layers :])


def adapter_config(adapter: Adapter | None) -> dict[str, Any] | None:
    """What a configuration holds of an adapter."""
    return None if adapter is None else asdict(adapter)


def attach(
    network: "nn.Module", blocks: "Sequence[nn.Module]", adapter: Adapter
) -> tuple[str, ...]:
    """Makes what an adapter reaches trainable, and nothing else; the names of these parameters.

    Args:
        network: The pretrained network.
        blocks: Its blocks, which are modules of the network.
        adapter: What may change.

    Raises:
        ImportError: If `"lora"` is asked for and peft is not installed.
        ValueError: If there are fewer layers.
    """
    chosen = reached(adapter, blocks)
    network.requires_grad_(False)
    if adapter.kind == "layers":
        for block in chosen:
            block.requires_grad_(True)
    else:
        _inject_lora(network, chosen, rank=adapter.rank)
    names = [name for name, weight in network.named_parameters() if weight.requires_grad]
    network.requires_grad_(False)
    for name in names if adapter.is_trainable else ():
        network.get_parameter(name).requires_grad_(True)
    return tuple(names)


def _inject_lora(network: "nn.Module", blocks: "Sequence[nn.Module]", *, rank: int) -> None:
    from torch import nn

    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ImportError('LoRA is not installed. Run: pip install "product-fusion[lora]"') from (
            error
        )
    inside = {id(module) for block in blocks for module in block.modules()}
    targets = [
        name
        for name, module in network.named_modules()
        if id(module) in inside and isinstance(module, nn.Linear | nn.Conv2d)
    ]
    # A pattern that matches whole names: a list would be matched by their ends.
    config = LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules=f"({'|'.join(targets)})".replace(".", r"\.")
    )
    inject_adapter_in_model(config, network)
