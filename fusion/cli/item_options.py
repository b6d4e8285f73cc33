"""What every verb that asks a trained model about items can be told of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fusion.cli.shared import (
    AsOf,
    BadRows,
    Delimiter,
    MovedText,
    MovedWeights,
    Photos,
    SalesFile,
    Store,
)

if TYPE_CHECKING:
    from fusion.jobs.source import ItemSource


@dataclass(frozen=True)
class ItemOptions:
    """Where the rest of what a model reads lies, beside the items table."""

    delimiter: Delimiter = None
    photos: Photos = None
    store: Store = None
    sales: SalesFile = None
    as_of: AsOf = None
    text_encoder: MovedText = None
    image_weights: MovedWeights = None

    def source(self, items: Path, on_bad_rows: BadRows) -> "ItemSource":
        """The items as jobs take them.

        Raises:
            ConfigError: If one of `--sales` and `--as-of` is given alone.
        """
        from fusion.errors import ConfigError
        from fusion.jobs.source import ItemSource
        from fusion.parameters import EncoderPlaces
        from fusion.shards import PastSales

        if (self.sales is None) != (self.as_of is None):
            given = "--as-of" if self.sales is None else "--sales"
            raise ConfigError(
                f"--sales and --as-of must be given together, got {given} alone. Give both or none."
            )
        past = None
        if self.sales is not None and self.as_of is not None:
            past = PastSales(self.sales, self.as_of)
        return ItemSource(
            items,
            self.photos,
            self.store,
            on_bad_rows.value,
            past,
            self.delimiter,
            EncoderPlaces(self.text_encoder, self.image_weights),
        )
