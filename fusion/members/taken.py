"""The state of a member, which may come from a stranger, taken tensor by tensor."""

import numpy as np
import torch
from torch import Tensor

from fusion.members.base import Floats, State
from fusion.members.view import Rows


class Taken:
    """A state of which nothing is believed: each tensor is checked as it is taken.

    Example:
        >>> taken = Taken({"intercept": torch.tensor([2.5])})
        >>> taken.floats("intercept", 1).tolist()
        [2.5]
        >>> taken.finish()
    """

    def __init__(self, state: State) -> None:
        self.left = dict(state)

    def floats(self, name: str, *shape: int) -> Floats:
        """The finite numbers of a tensor of floats, float64.

        Raises:
            ValueError: If it is missing, of another shape or type, or not finite.
        """
        tensor = self._of_shape(name, shape)
        if not tensor.is_floating_point() or not bool(tensor.isfinite().all()):
            raise ValueError(f"{name} must hold finite floats, got {tensor.dtype}.")
        return np.asarray(tensor.double().cpu().numpy())

    def whole(self, name: str, *shape: int, least: int, most: int) -> Rows:
        """Whole numbers from `least` to `most`.

        Raises:
            ValueError: If the tensor is missing, of another shape or type, or holds others.
        """
        tensor = self._of_shape(name, shape)
        found = tensor.cpu().numpy()
        if tensor.dtype != torch.int64 or ((found < least) | (found > most)).any():
            raise ValueError(f"{name} must hold whole numbers from {least} to {most}.")
        return np.asarray(found)

    def finish(self) -> None:
        """Stops where something was not taken.

        Raises:
            ValueError: With its names.
        """
        if self.left:
            raise ValueError(f"state must hold nothing else, got {', '.join(self.left)}.")

    def _of_shape(self, name: str, shape: tuple[int, ...]) -> Tensor:
        tensor = self.left.pop(name, None)
        if not isinstance(tensor, Tensor) or tuple(tensor.shape) != shape:
            raise ValueError(f"{name} must be of shape {list(shape)}, got another or none.")
        return tensor
