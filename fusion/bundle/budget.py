"""A limit on the memory that building a model from its description may take."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from fusion.errors import BundleError

BYTES_PER_NUMBER = 8
SPARE_BYTES = 2**26
"""What building may take beside a multiple of the weights: 64 MiB."""
TIMES_WEIGHTS = 16
"""Numbers are counted as 8 bytes, and some are made twice."""


class AllocationBudget(TorchDispatchMode):
    """Counts what tensors that are made inside the block take, and stops before it is too much.

    Why: a description of a few bytes can ask for a layer of 10 GB, which the system hands out
    without a word and takes back by killing the process. Weights are in the bundle, so a model
    that is not larger than they are fits in it.

    Args:
        limit: Bytes in all; each number counts as 8.

    Raises:
        BundleError: Inside the block, before the tensor is made.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.limit = limit
        self.used = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: to be skipped by the compiler of torch, it would be imported, which takes seconds."""
        return False

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Lets a call of torch through if what it makes is within the limit."""
        del types
        if not any(isinstance(value, Tensor) for value in args):  # made from nothing
            sizes = [value for value in args if isinstance(value, list | tuple)]
            self.used += BYTES_PER_NUMBER * sum(
                prod(size) for size in sizes if all(isinstance(length, int) for length in size)
            )
        if self.used > self.limit:
            raise BundleError(
                f"description must fit weights of this size, got one that asks for {self.used:,} "
                f"bytes, more than {self.limit:,}"
            )
        return func(*args, **(kwargs or {}))


def weights_budget(n_weight_bytes: int) -> AllocationBudget:
    """The limit for building a model whose weights take so many bytes."""
    return AllocationBudget(SPARE_BYTES + TIMES_WEIGHTS * n_weight_bytes)
