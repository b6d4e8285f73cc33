"""Numbers, categories and dates of a table to embeddings."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from encoders.base import MOST_ROWS, Encoder, Tensors, check_whole
from encoders.blocks import Block
from encoders.table.columns import (
    DATE_CYCLES,
    DATE_NUMBERS,
    FIRST_LEVEL,
    codes_of,
    read_categories,
    read_dates,
    read_levels,
    read_numbers,
)
from encoders.table.spread import is_skewed, medians, quantiles, spreads

SQUASH = 3.0
"""Numbers stay within plus and minus this many interquartile ranges in squash mode."""
MOST_BINS = 1024
MOST_CATEGORY_DIM = 1024
FARTHEST = 1e12
"""Interquartile ranges from the median beyond which a number is as good as infinitely far."""


class NumericEncoder(Encoder):
    """Embeds table rows: scaled numbers, learned vectors of categories, calendar of dates.

    Why: numbers are one more modality, so a fusion needs no special case for them. `"squash"` is
    for networks: x / sqrt(1 + (x / 3)^2) keeps outliers within 3, and a number is also given as
    its place among the training quantiles. `"linear"` is for exact linear models: float64, no
    squashing, no learned weights. A missing number or date is 0 with its indicator at 1.
    Source: Holzmüller et al. (2024), RealMLP, robust scaling and smooth clipping; Gorishniy et al.
    (2022), piecewise-linear encoding. *differs:* the outer pieces are clipped too.

    Args:
        numeric: Names of number columns.
        categories: Known levels of each category column; other levels share one vector.
        dates: Names of date columns.
        transform: `"squash"` or `"linear"`.
        category_dim: Longest vector of a category, 1 to 1,024; columns of few levels get a
            shorter one.
        n_bins: Pieces of the quantile encoding of a number in squash mode, at most 1,024;
            0 leaves it out.
        log_columns: Number columns that are scaled as sign(x) log(1 + |x|): amounts and counts
            whose large values would otherwise all look alike.

    Example:
        >>> frame = pd.DataFrame({"price": [1.0, 2.0, 3.0], "brand": ["a", "b", None]})
        >>> NumericEncoder.fitted(frame, numeric=["price"], transform="linear").encode(frame)[:, 0]
        array([-1.,  0.,  1.], dtype=float32)
    """

    modality: ClassVar[str] = "table"
    center: Tensor
    scale: Tensor
    edges: Tensor

    def __init__(
        self,
        *,
        numeric: Sequence[str] = (),
        categories: Mapping[str, Sequence[str]] | None = None,
        dates: Sequence[str] = (),
        transform: str = "squash",
        category_dim: int = 16,
        n_bins: int = 8,
        log_columns: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if transform not in ("squash", "linear"):
            raise ValueError(f"transform must be one of linear, squash, got {transform!r}.")
        check_whole("category_dim", category_dim, least=1, most=MOST_CATEGORY_DIM)
        check_whole("n_bins", n_bins, least=0, most=MOST_BINS)
        self._numeric, self._dates = list(numeric), list(dates)
        self._categories = {name: list(levels) for name, levels in (categories or {}).items()}
        self._codes = {name: codes_of(levels) for name, levels in self._categories.items()}
        self._transform, self._category_dim, self._n_bins = transform, category_dim, n_bins
        self._log_columns = list(log_columns)
        self._check_names()
        n_scaled = len(self._numeric) + DATE_NUMBERS * len(self._dates)
        self.register_buffer("center", torch.zeros(n_scaled, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(n_scaled, dtype=torch.float64))
        bins = self._n_pieces + 1 if self._n_pieces else 0
        self.register_buffer("edges", torch.zeros(len(self._numeric), bins, dtype=torch.float64))
        self.vectors = nn.ModuleList(self._category_vectors() if transform == "squash" else ())

    @property
    def embedding_dim(self) -> int:
        """Numbers, their pieces, indicators of missing ones, calendar and category vectors."""
        n_columns = len(self._numeric) + len(self._dates)
        dim = self.center.numel() + len(self._numeric) * self._n_pieces + n_columns
        return dim + DATE_CYCLES * len(self._dates) + sum(self._category_dims())

    @property
    def config(self) -> dict[str, Any]:
        """Columns, known levels and options."""
        return {
            "numeric": self._numeric,
            "categories": self._categories,
            "dates": self._dates,
            "transform": self._transform,
            "log_columns": self._log_columns,
            "category_dim": self._category_dim,
            "n_bins": self._n_bins,
        }

    @classmethod
    def fitted(
        cls,
        values: Any,
        *,
        numeric: Sequence[str] = (),
        categorical: Sequence[str] = (),
        dates: Sequence[str] = (),
        min_count: int = 3,
        **options: Any,
    ) -> Self:
        """An encoder whose levels, medians, ranges and quantiles come from training rows.

        Args:
            values: Training rows, a DataFrame.
            numeric: Names of number columns.
            categorical: Names of category columns.
            dates: Names of date columns.
            min_count: Rows that a level must occur in to be known; rarer ones count as unseen.
            **options: `transform`, `category_dim` and `n_bins` of the encoder. In squash mode
                the skewed columns are its `log_columns`.

        Raises:
            ValueError: If a column is absent or a cell cannot be read.
        """
        check_whole("min_count", min_count, least=1, most=MOST_ROWS)
        levels = {name: read_levels(values, name, min_count=min_count) for name in categorical}
        if options.get("transform", "squash") == "squash":
            options["log_columns"] = [name for name in numeric if is_skewed(values, name)]
        encoder = cls(numeric=numeric, categories=levels, dates=dates, **options)
        numbers, _ = encoder._read(values)
        encoder.center.copy_(torch.from_numpy(medians(numbers)))
        encoder.scale.copy_(torch.from_numpy(spreads(numbers)))
        if encoder._n_pieces:
            found = quantiles(
                numbers[:, : len(encoder._numeric)], np.linspace(0.0, 1.0, encoder._n_pieces + 1)
            )
            encoder.edges.copy_(torch.from_numpy(found.T.copy()))
        return encoder

    def preprocess(self, values: Any) -> Tensors:
        """Raw numbers and category codes of rows; all scaling is in `forward`.

        Shape:
            `numbers` `[rows, n]` (float64, NaN where missing; days and years of dates behind the
            number columns), `cycles` `[rows, 6 * dates]` (float32), `codes` `[rows, categories]`
            (int64; 0 missing, 1 unseen or rare).

        Raises:
            ValueError: If a column is absent or a cell is infinite or cannot be read.
            TypeError: If the values are no DataFrame.
        """
        if not isinstance(values, pd.DataFrame):
            raise TypeError(f"values must be a DataFrame, got {type(values).__name__}.")
        numbers, cycles = self._read(values)
        codes = np.empty((len(values), len(self._categories)), dtype=np.int64)
        for position, (name, known) in enumerate(self._codes.items()):
            codes[:, position] = read_categories(values, name, known)
        return {
            "numbers": torch.from_numpy(numbers),
            "cycles": torch.from_numpy(cycles).float(),
            "codes": torch.from_numpy(codes),
        }

    def unknown_levels(self, values: pd.DataFrame) -> dict[str, NDArray[np.bool_]]:
        """Category column -> mask `[rows]` of levels that training saw never, or too seldom."""
        return {
            name: read_categories(values, name, known) == FIRST_LEVEL - 1
            for name, known in self._codes.items()
        }

    def forward(self, tensors: Tensors) -> Tensor:
        """Embeddings `[rows, embedding_dim]`, float32 in squash mode and float64 in linear mode."""
        fixed = self.numbers(tensors)
        return torch.cat([fixed, *self._category_columns(tensors["codes"].to(fixed.device))], dim=1)

    @torch.no_grad()
    def feature_blocks(self, tensors: Tensors) -> tuple[Block, ...]:
        """The numbers scaled, the same in their own units, and the levels of each category."""
        blocks = [
            Block("numbers", "numbers", self.numbers(tensors).float().cpu().numpy()),
            Block("raw", "raw", tensors["numbers"].cpu().numpy(), labels=tuple(self._raw_labels())),
        ]
        codes = tensors["codes"].cpu().numpy()
        levels = [
            Block(name, "category", codes[:, place], n_levels=len(known) + FIRST_LEVEL)
            for place, (name, known) in enumerate(self._categories.items())
        ]
        return tuple([block for block in blocks if block.dim] + levels)

    def _raw_labels(self) -> list[str]:
        """Names of the columns of the tensor `numbers`."""
        dates = [f"{name}: {part}" for name in self._dates for part in ("days", "year")]
        return self._numeric + dates

    def numbers(self, tensors: Tensors) -> Tensor:
        """Numbers, indicators of missing ones, calendar and pieces: all but the categories.

        Shape:
            `[rows, numbers]`, in the dtype of `forward`; no column where there are categories only.
        """
        device = self.center.device
        numbers = tensors["numbers"].to(device)
        missing = numbers.isnan()
        scaled = ((numbers - self.center) / self.scale).clamp(-FARTHEST, FARTHEST)
        if self._transform == "squash":
            scaled = scaled / (1.0 + (scaled / SQUASH) ** 2).sqrt()
        columns = [scaled.masked_fill(missing, 0.0), self._indicators(missing)]
        columns.append(tensors["cycles"].to(device))
        if self._n_pieces:
            columns.append(self._pieces(numbers[:, : len(self._numeric)]))
        dtype = torch.float64 if self._transform == "linear" else torch.float32
        return torch.cat([column.to(dtype) for column in columns], dim=1)

    @torch.inference_mode()
    def encode_parts(self, parts: Any) -> NDArray[np.float32]:
        """Embeddings of table rows, in order, without gradients.

        Shape:
            DataFrame of n rows -> `[n, embedding_dim]`, float32.
        """
        output = np.empty((len(parts), self.embedding_dim), dtype=np.float32)
        for start in range(0, len(parts), self.window_parts):
            rows = slice(start, start + self.window_parts)
            output[rows] = self(self.preprocess(parts.iloc[rows])).float().cpu().numpy()
        return output

    def encode(self, values: Any) -> NDArray[np.float32]:
        """Embeddings of table rows, as `encode_parts`: a row has one part."""
        return self.encode_parts(values)

    @classmethod
    def tiny(cls) -> Self:
        """One number, one category and one date."""
        days = ["2024-01-01", "2024-03-05", "2025-07-09", "NaT", "2025-12-31"]
        frame = pd.DataFrame(
            {
                "price": [1.0, 2.0, 4.0, np.nan, 9.0],
                "brand": ["a", "a", "b", "b", None],
                "launch": pd.to_datetime(days),
            }
        )
        columns = {"numeric": ["price"], "categorical": ["brand"], "dates": ["launch"]}
        return cls.fitted(frame, min_count=1, n_bins=2, **columns)

    @property
    def _n_pieces(self) -> int:
        return self._n_bins if self._transform == "squash" else 0

    def _check_names(self) -> None:
        names = [*self._numeric, *self._categories, *self._dates]
        if twice := sorted(name for name, count in Counter(names).items() if count > 1):
            raise ValueError(f"columns must be named once, got {twice[0]!r} twice.")

    def _category_dims(self) -> list[int]:
        sizes = [len(levels) + FIRST_LEVEL for levels in self._categories.values()]
        if self._transform == "linear":
            return sizes
        return [min(self._category_dim, size) for size in sizes]

    def _category_vectors(self) -> list[nn.Embedding]:
        vectors = []
        for levels, dim in zip(self._categories.values(), self._category_dims(), strict=True):
            vectors.append(nn.Embedding(len(levels) + FIRST_LEVEL, dim))
            nn.init.normal_(vectors[-1].weight, std=dim**-0.5)
            nn.init.zeros_(vectors[-1].weight[:FIRST_LEVEL])  # a level never seen says nothing
        return vectors

    def _category_columns(self, codes: Tensor) -> list[Tensor]:
        if self._transform == "squash":
            return [table(codes[:, i]) for i, table in enumerate(self.vectors)]
        dims = self._category_dims()
        return [nn.functional.one_hot(codes[:, i], dim) for i, dim in enumerate(dims)]

    def _indicators(self, missing: Tensor) -> Tensor:
        """One indicator for each column, though a date gives several numbers."""
        n = len(self._numeric)
        return torch.cat([missing[:, :n], missing[:, n::DATE_NUMBERS]], dim=1)

    def _pieces(self, numbers: Tensor) -> Tensor:
        """Share of each quantile interval that lies below a number, 0 to 1; 0 where missing."""
        low, high = self.edges[:, :-1], self.edges[:, 1:]
        width = high - low
        share = (numbers.unsqueeze(-1) - low) / torch.where(width > 0, width, 1.0)
        step = (numbers.unsqueeze(-1) >= high).to(share.dtype)  # an interval without width
        share = torch.where(width > 0, share.clamp(0.0, 1.0), step)
        return share.nan_to_num(0.0).flatten(1)

    def _read(self, frame: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Numbers to scale `[rows, numeric + 2 * dates]` and cycles `[rows, 6 * dates]`."""
        numbers = [np.empty((len(frame), 0))]
        log_columns = set(self._log_columns)
        for name in self._numeric:
            column = read_numbers(frame, name)[:, None]
            logs = name in log_columns
            numbers.append(np.sign(column) * np.log1p(np.abs(column)) if logs else column)
        dates = [read_dates(frame, name) for name in self._dates]
        cycles = [np.empty((len(frame), 0)), *(cycle for _, cycle in dates)]
        numbers += [number for number, _ in dates]
        return np.concatenate(numbers, axis=1), np.concatenate(cycles, axis=1)
