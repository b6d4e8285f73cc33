"""Tensors of a file of which nothing is believed, taken one by one as arrays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.bundle.reference import texts_of_tensors
from fusion.bundle.weights import Tensors, check_numbers


class Arrays:
    """Tensors of a file, which are taken once each and checked.

    Args:
        tensors: By name.
        source: What messages call the file.
    """

    def __init__(self, tensors: Tensors, source: str) -> None:
        known = {name: one.nan_to_num(nan=0.0) if one.is_floating_point() else one
                 for name, one in tensors.items()}  # fmt: skip
        check_numbers(known, source)
        self.left = dict(tensors)

    def of(self, name: str, kind: type, *shape: int) -> NDArray[Any]:
        """An array of a type and a shape."""
        tensor = self.left.pop(name, None)
        if tensor is None or tuple(tensor.shape) != shape or tensor.numpy().dtype != kind:
            raise ValueError(f"{name} must be {kind.__name__} {list(shape)}, got another or none")
        return np.asarray(tensor.numpy())

    def whole(self, name: str, n: int, *, least: int, most: int) -> NDArray[np.int64]:
        """Whole numbers from `least` to `most`, `[n]`."""
        found = self.of(name, np.int64, n)
        if n and (found.min() < least or found.max() > most):
            raise ValueError(f"{name} must be from {least} to {most}, got others")
        return found

    def finite(self, name: str, kind: type, *shape: int) -> NDArray[Any]:
        """Numbers of which each is known."""
        found = self.of(name, kind, *shape)
        if np.isnan(found).any():
            raise ValueError(f"{name} must be finite, got NaN")
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        """Texts, see `texts_as_tensors`."""
        found = texts_of_tensors(name, self.left)
        del self.left[name], self.left[f"{name}_ends"]
        return tuple(found)

    def length(self, name: str, axis: int = 0) -> int:
        """How long a tensor is along an axis."""
        if name not in self.left or self.left[name].ndim <= axis:
            raise ValueError(f"{name} must have {axis + 1} axes, got fewer or none")
        return int(self.left[name].shape[axis])

    def names(self, begin: str) -> list[str]:
        """What follows a beginning in the names that have it."""
        return [name.removeprefix(begin) for name in self.left if name.startswith(begin)]

    def finish(self) -> None:
        """Stops where something was not taken."""
        if self.left:
            raise ValueError(f"must hold nothing else, got {', '.join(sorted(self.left)[:5])}")
