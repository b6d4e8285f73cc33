"""The training items of a bundle as tensors: ids, titles, content and what was known of each."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, from_numpy

from fusion.bundle.content import Content
from fusion.errors import BundleError
from fusion.saved_parts import described

TITLE_CHARACTERS = 80
"""Characters of a title that are kept: enough to tell people which item is meant."""
VECTORS = "vectors."


def texts_as_tensors(name: str, texts: list[str]) -> dict[str, Tensor]:
    """Texts as their UTF-8 bytes in a row, uint8 `[n_bytes]`, and where each ends, int64 `[n]`."""
    encoded = [text.encode("utf-8", errors="surrogatepass") for text in texts]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    joined = np.frombuffer(bytearray(b"".join(encoded)), dtype=np.uint8)
    return {name: from_numpy(joined), f"{name}_ends": from_numpy(ends)}


def texts_of_tensors(name: str, tensors: Mapping[str, Tensor]) -> list[str]:
    """The other way.

    Raises:
        BundleError: If a tensor is missing, or ends are not in order.
    """
    with described(f"{name} of the training items"):
        joined, ends = tensors[name].numpy().tobytes(), tensors[f"{name}_ends"].tolist()
        starts = [0, *ends][: len(ends)]
        if starts != sorted(starts) or (ends[-1] if ends else 0) != len(joined):
            raise ValueError(f"ends of {name} are not in order")
        return [
            joined[start:end].decode("utf-8", errors="surrogatepass")
            for start, end in zip(starts, ends, strict=True)
        ]


def content_as_tensors(content: Content) -> dict[str, Tensor]:
    """Vectors of each modality `[n, dim]`, float32, and levels of categories `[n, n_columns]`."""
    vectors = {f"{VECTORS}{name}": from_numpy(one) for name, one in content.vectors.items()}
    return {**vectors, "levels": from_numpy(content.levels)}


def content_of_tensors(tensors: Mapping[str, Tensor]) -> Content:
    """The other way.

    Raises:
        BundleError: If levels are missing, or numbers are of another kind.
    """
    with described("content of the training items"):
        vectors = {
            name.removeprefix(VECTORS): tensor.numpy()
            for name, tensor in sorted(tensors.items())
            if name.startswith(VECTORS)
        }
        levels = tensors["levels"].numpy()
        kinds = {*(one.dtype.name for one in vectors.values()), levels.dtype.name}
        if levels.dtype != np.int64 or any(one.dtype != np.float32 for one in vectors.values()):
            raise ValueError(f"vectors are float32 and levels int64, got {sorted(kinds)}")
        return Content(vectors, levels)


def targets_as_tensors(targets: Sequence[NDArray[np.float64]]) -> dict[str, Tensor]:
    """Targets `[n_items, n_targets]`, float64, 0 where there is none, and a mask of where one is.

    Args:
        targets: Targets `[n_items]` of each column, NaN where there is none.
    """
    stacked = from_numpy(np.stack(targets, axis=1))
    return {"targets": stacked.nan_to_num(nan=0.0), "has_target": ~stacked.isnan()}


def targets_of_tensors(
    tensors: Mapping[str, Tensor], names: list[str], *, n_items: int
) -> dict[str, NDArray[np.float64]]:
    """The other way.

    Raises:
        BundleError: If there is not one number and one truth value for each item and target.
    """
    with described("targets of the training items"):
        values, there = tensors["targets"].numpy(), tensors["has_target"].numpy()
    if there.dtype != np.bool_ or there.shape != (n_items, len(names)):
        raise BundleError(
            f"has_target of the training items must be [{n_items}, {len(names)}] truth values, got "
            f"{list(there.shape)} in {there.dtype}."
        )
    if values.dtype != np.float64 or values.shape != (n_items, len(names)):
        raise BundleError(
            f"targets of the training items must be [{n_items}, {len(names)}] in float64, got "
            f"{list(values.shape)} in {values.dtype}."
        )
    values = np.where(there, values, np.nan)
    return {name: values[:, place] for place, name in enumerate(names)}
