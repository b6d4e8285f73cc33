"""What an encoder says of values without any training: blocks of numbers, each of one kind."""

from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

BlockKind = Literal["vectors", "numbers", "raw", "category", "terms"]


@dataclass(frozen=True)
class Block:
    """What one source says of `n` values, for models that learn without gradients.

    Args:
        name: Its name within the encoder, such as `brand`; empty where there is one block alone.
        kind: `"vectors"` (an embedding: its columns mean nothing one by one), `"numbers"` (columns
            that were scaled, with indicators of missing cells; 0 says nothing), `"raw"` (the same
            columns in their own units, NaN where a cell is missing: for trees), `"category"`
            (codes of the levels of one column: 0 missing, 1 never or too seldom seen, then the
            known levels) or `"terms"` (sparse weights of the words of a text, of length 1).
        values: `[n, dim]`, float; of a category codes `[n]`, int64; of terms a `csr_matrix`.
        n_levels: Codes of a category lie in 0..n_levels - 1; 0 of any other kind.
        labels: Names of the columns `[dim]` of `"raw"`; empty where they have none.
    """

    name: str
    kind: BlockKind
    values: "NDArray[Any] | Any"
    n_levels: int = 0
    labels: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of values."""
        return int(self.values.shape[0])

    @property
    def dim(self) -> int:
        """Columns of `values`; 1 of a category."""
        return 1 if self.values.ndim == 1 else int(self.values.shape[1])

    def take(self, rows: NDArray[Any]) -> "Block":
        """The block of some values, in the given order."""
        return Block(self.name, self.kind, self.values[rows], self.n_levels, self.labels)
