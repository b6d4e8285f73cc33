"""Step sizes: small at the input, larger towards the head, layers waking one after the other."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from encoders.adapter import reached
from encoders.base import Encoder
from fusion.tuning.settings import TuningSettings


def depths(encoders: Mapping[str, Encoder]) -> dict[int, int]:
    """Id of each tuned parameter -> how many tuned blocks lie between it and the fusion."""
    found: dict[int, int] = {}
    for encoder in encoders.values():
        assert encoder.adapter is not None
        blocks = reached(encoder.adapter, encoder.blocks)
        for depth, block in enumerate(reversed(blocks)):
            found |= {id(weight): depth for weight in block.parameters() if weight.requires_grad}
    return found


def parameter_groups(
    module: nn.Module, depth_of: Mapping[int, int], settings: TuningSettings
) -> list[dict[str, Any]]:
    """Groups for AdamW, one for each depth, with and without weight decay.

    Layer-wise decay: Howard and Ruder (2018), ULMFiT, section 3.2; no weight decay on biases and
    normalisation, as usual.

    Args:
        module: What is trained.
        depth_of: See `depths`; parameters that are not in it are those of fusion and heads.
        settings: Rates.
    """
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for weight in module.parameters():
        if not weight.requires_grad:
            continue
        depth, decays = depth_of.get(id(weight), -1), weight.ndim > 1
        rate = settings.learning_rate * settings.layer_decay**depth
        group = groups.setdefault(
            (depth, decays),
            {
                "params": [],
                "depth": depth,
                "lr": settings.head_learning_rate if depth < 0 else rate,
                "weight_decay": settings.weight_decay if decays else 0.0,
            },
        )
        group["params"].append(weight)
    return [groups[key] for key in sorted(groups)]


def schedules(
    optimizer: torch.optim.Optimizer, *, n_steps: int, settings: TuningSettings
) -> list[Callable[[int], float]]:
    """One factor of the step size for each group: warm-up, then half a cosine down to zero.

    With `gradual`, a block of depth d wakes after d equal parts of the first half of all steps; its
    steps are of size zero until then, so that any number of processes can share the work.
    """
    deepest = max((group["depth"] for group in optimizer.param_groups), default=0)
    warm = max(1, round(settings.warmup * n_steps))

    def factor(step: int, wakes: int) -> float:
        if step < wakes:
            return 0.0
        rise = min(1.0, (step - wakes + 1) / warm)
        return rise * 0.5 * (1.0 + math.cos(math.pi * min(1.0, step / n_steps)))

    def of_group(group: Mapping[str, Any]) -> Callable[[int], float]:
        gradual = settings.mode == "gradual" and group["depth"] > 0
        wakes = n_steps * group["depth"] // (2 * deepest) if gradual else 0
        return lambda step: factor(step, wakes)

    return [of_group(group) for group in optimizer.param_groups]
