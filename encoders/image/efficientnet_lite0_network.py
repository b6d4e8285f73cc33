"""The network EfficientNet-Lite0 up to its pooled features, BatchNorm folded into convolutions.

Source: Tan and Le (2019), arXiv 1905.11946, table 1; the Lite variant (Google, 2020) without
squeeze-and-excitation and with ReLU6. *differs:* BatchNorm, whose statistics never change, is part
of the weights and shifts of the convolutions.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

BATCHNORM_EPS = 1e-3
STEM_DIM, FEATURE_DIM = 32, 1280


class _Stage(NamedTuple):
    """Blocks of one size: how many, kernel, stride of the first, expansion, output channels."""

    n_blocks: int
    kernel: int
    stride: int
    expansion: int
    dim: int


STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


class Convolution(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME: a stride of 2 pads more behind than before.

    Shape:
        `[n, n_inputs, height, width]` -> `[n, n_outputs, ceil(height / stride), ...]`.
    """

    def __init__(
        self, n_inputs: int, n_outputs: int, *, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(n_inputs, n_outputs, kernel, stride=stride, groups=groups)

    def forward(self, inputs: Tensor) -> Tensor:
        """The convolution with its shift."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        pads: list[int] = []
        for size in (inputs.shape[3], inputs.shape[2]):  # functional.pad begins with the last axis
            needed = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [needed // 2, needed - needed // 2]
        if pads[0] == pads[1] and pads[2] == pads[3]:
            padding = (pads[2], pads[0])
            return functional.conv2d(
                inputs, self.weight, self.bias, self.stride, padding, 1, self.groups
            )
        padded: Tensor = super().forward(functional.pad(inputs, pads))
        return padded


class Block(nn.Module):
    """An inverted residual: wider, filtered channel by channel, narrow again, added to its input.

    Shape:
        `[n, n_inputs, height, width]` -> `[n, n_outputs, height / stride, width / stride]`.
    """

    def __init__(self, n_inputs: int, n_outputs: int, stage: _Stage, *, stride: int) -> None:
        super().__init__()
        wide = n_inputs * stage.expansion
        self.expand = Convolution(n_inputs, wide, kernel=1) if stage.expansion > 1 else None
        self.depthwise = Convolution(wide, wide, kernel=stage.kernel, stride=stride, groups=wide)
        self.project = Convolution(wide, n_outputs, kernel=1)
        self.adds_input = stride == 1 and n_inputs == n_outputs

    def forward(self, inputs: Tensor) -> Tensor:
        """The narrow features."""
        hidden = inputs
        if self.expand is not None:
            hidden = functional.relu6(self.expand(hidden), inplace=True)
        hidden = functional.relu6(self.depthwise(hidden), inplace=True)
        narrow: Tensor = self.project(hidden)
        return narrow + inputs if self.adds_input else narrow


class EfficientNetLite0(nn.Module):
    """Features before the classifier.

    Shape:
        `[n, 3, height, width]`, normalised pixels -> float32 `[n, 1280]`, 0 to 6.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution(3, STEM_DIM, kernel=3, stride=2)
        blocks, dim = [], STEM_DIM
        for stage in STAGES:
            for place in range(stage.n_blocks):
                stride = stage.stride if place == 0 else 1
                blocks.append(Block(dim, stage.dim, stage, stride=stride))
                dim = stage.dim
        self.stages = nn.Sequential(*blocks)
        self.head = Convolution(dim, FEATURE_DIM, kernel=1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Pooled features."""
        hidden: Tensor = self.stages(functional.relu6(self.stem(pixels), inplace=True))
        return functional.relu6(self.head(hidden), inplace=True).mean((2, 3), dtype=torch.float32)


def folded_state(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of `EfficientNetLite0` from those of the published file, BatchNorm folded in.

    Source: Jacob et al. (2018), arXiv 1712.05877, section 3.2.

    Args:
        published: `_conv_stem.weight`, `_bn0.weight`, `_blocks.0._depthwise_conv.weight`, ...
    """
    names = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    for place in range(sum(stage.n_blocks for stage in STAGES)):
        parts = {"depthwise": "_bn1", "project": "_bn2"} | ({"expand": "_bn0"} if place else {})
        for part, norm in parts.items():
            before = f"_blocks.{place}."
            names[f"stages.{place}.{part}"] = (f"{before}_{part}_conv", f"{before}{norm}")
    state: dict[str, Tensor] = {}
    for name, (convolution, norm) in names.items():
        scale = published[f"{norm}.weight"].double()
        scale = scale / (published[f"{norm}.running_var"].double() + BATCHNORM_EPS).sqrt()
        shift = published[f"{norm}.bias"].double() - published[f"{norm}.running_mean"] * scale
        weight = published[f"{convolution}.weight"].double() * scale.view(-1, 1, 1, 1)
        state[f"{name}.weight"], state[f"{name}.bias"] = weight.float(), shift.float()
    return state
