"""The forward pass of a frozen ResNet on the CPU: few passes over memory, one thread a photo."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from encoders.stream import in_threads, on_one_core

PHOTOS_TOGETHER = 4
"""Photos that one thread computes at a time: enough for its products, few enough for its cache."""


class FoldedResNet:
    """Features of a ResNet whose BatchNorm, ReLU and sums are part of the convolutions.

    Why: half of a plain pass waits for memory: each layer writes its result, and BatchNorm, ReLU
    and the shortcut read and write it again. BatchNorm with fixed statistics is a scale and a
    shift, so the weights take it up; oneDNN does the rest before it writes. Photos are spread over
    threads that never wait for each other, beside those that decode. *differs* from the plain pass
    in the last bits.
    Source: Jacob et al. (2018), arXiv 1712.05877, section 3.2, without its quantisation.

    The weights are folded at the first call, and again whenever those of the network have changed.
    Copies and pickles hold nothing.
    """

    def __init__(self) -> None:
        self._followed: list[Tensor] = []  # held, so that no other tensor can take their place
        self._versions: list[tuple[int, int]] = []
        self._layers: dict[nn.Module, _Convolution] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """An empty one: the copied network has weights of its own."""
        return type(self)()

    def __reduce__(self) -> tuple[Any, ...]:
        """An empty one."""
        return type(self), ()

    def __call__(
        self, network: nn.Module, pixels: Tensor, prepare: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """Pooled features of every photo.

        Shape:
            pixels `[photos, 3, height, width]`, at least one photo -> float32 `[photos, dim]`.

        Args:
            network: See `is_plain_resnet`; on the CPU, nothing trains.
            pixels: What `prepare` takes.
            prepare: Pixels of some photos -> inputs of the network, in the format to compute in.
        """
        with torch.no_grad():
            layers = self._following(network, prepare(pixels[:0]).dtype)
        work = partial(_features, network, layers, prepare)
        return torch.cat(in_threads(work, pixels.split(PHOTOS_TOGETHER)))

    def _following(self, network: nn.Module, dtype: torch.dtype) -> "dict[nn.Module, _Convolution]":
        """The folded layers of the weights that the network has now."""
        followed = [*network.parameters(), *network.buffers()]
        versions = [(t.data_ptr(), -1 if t.is_inference() else t._version) for t in followed]
        known = all(version >= 0 for _, version in versions)  # else changes leave no trace
        if not self._layers or not known or versions != self._versions:
            self._layers = {conv: _Convolution(conv, norm, dtype) for conv, norm in _pairs(network)}
            self._followed = [tensor.detach() for tensor in followed]
            self._versions = versions
        return self._layers


class _Convolution:
    """A convolution with the BatchNorm behind it, its weights laid out for oneDNN."""

    def __init__(self, conv: Any, norm: Any, dtype: torch.dtype) -> None:
        folded = fuse_conv_bn_eval(conv, norm)
        self.weight: Tensor = folded.weight.detach().to(dtype)
        assert folded.bias is not None  # BatchNorm has a shift
        self.bias = folded.bias.detach().to(dtype)
        self.settings = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)

    def __call__(self, inputs: Tensor, *, activation: str = "relu") -> Tensor:
        """The convolution and an activation ("relu" or "none")."""
        ops = torch.ops.mkldnn
        weight = self._packed(inputs)
        return torch.as_tensor(
            ops._convolution_pointwise(
                inputs, weight, self.bias, *self.settings, activation, [], ""
            )
        )

    def added_to(self, shortcut: Tensor, inputs: Tensor) -> Tensor:
        """ReLU of the convolution and the shortcut, written over the shortcut."""
        binary = torch.ops.mkldnn._convolution_pointwise_.binary
        weight = self._packed(inputs)
        return torch.as_tensor(
            binary(shortcut, inputs, weight, self.bias, *self.settings, "add", 1.0, "relu", [], "")
        )

    def _packed(self, inputs: Tensor) -> Tensor:
        """The weights in the order that oneDNN wants for inputs of this size."""
        weight = self.weight
        if not weight.is_mkldnn:
            size = [PHOTOS_TOGETHER, *inputs.shape[1:]]
            pack = torch.ops.aten.mkldnn_reorder_conv2d_weight
            weight = torch.as_tensor(pack(weight.to_mkldnn(), *self.settings, size))
            self.weight = weight  # threads that meet here make the same
        return weight


def is_plain_resnet(network: nn.Module) -> bool:
    """True where convolutions and BatchNorm are those of torchvision: nothing put around them."""
    return all(
        type(conv) is nn.Conv2d and type(norm) is nn.BatchNorm2d for conv, norm in _pairs(network)
    )


@cache
def can_fold(dtype: torch.dtype) -> bool:
    """True where this torch and this processor have the convolutions that are needed."""
    ops = torch.ops.mkldnn
    if not torch.backends.mkldnn.is_available() or not hasattr(ops, "_convolution_pointwise_"):
        return False
    return dtype == torch.float32 or bool(ops._is_mkldnn_bf16_supported())


def _pairs(network: Any) -> list[tuple[Any, Any]]:
    """Each convolution with its BatchNorm."""
    pairs = [(network.conv1, network.bn1)]
    for block in _blocks(network):
        names = [name for name in ("1", "2", "3") if hasattr(block, f"conv{name}")]
        pairs += [(getattr(block, f"conv{name}"), getattr(block, f"bn{name}")) for name in names]
        if block.downsample is not None:
            pairs.append(tuple(block.downsample))
    return pairs


def _blocks(network: Any) -> list[Any]:
    stages = (network.layer1, network.layer2, network.layer3, network.layer4)
    return [block for stage in stages for block in stage]


def _features(
    network: Any,
    layers: dict[nn.Module, _Convolution],
    prepare: Callable[[Tensor], Tensor],
    pixels: Tensor,
) -> Tensor:
    """Features of a few photos, computed by this thread alone."""
    with torch.no_grad(), on_one_core():
        hidden: Tensor = network.maxpool(layers[network.conv1](prepare(pixels)))
        for block in _blocks(network):
            hidden = _block(block, layers, hidden)
        return hidden.mean((2, 3), dtype=torch.float32)


def _block(block: Any, layers: dict[nn.Module, _Convolution], hidden: Tensor) -> Tensor:
    shortcut = hidden
    if block.downsample is not None:
        shortcut = layers[block.downsample[0]](hidden, activation="none")
    inner = layers[block.conv1](hidden)
    if not hasattr(block, "conv3"):
        return layers[block.conv2].added_to(shortcut, inner)
    return layers[block.conv3].added_to(shortcut, layers[block.conv2](inner))
