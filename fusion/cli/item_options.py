"""What every verb that asks a trained model about items can be told of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fusion.cli.part_options import MovedEncoders, moved_encoders
from fusion.cli.shared import AsOf, BadRows, Delimiter, Photos, SalesFile, Store

if TYPE_CHECKING:
    from fusion.job_steps.source import ItemSource


@dataclass(frozen=True)
class ItemOptions:
    """Where the rest of what a model reads lies, beside the items table."""

    delimiter: Delimiter = None
    photos: Photos = None
    store: Store = None
    sales: SalesFile = None
    as_of: AsOf = None
    encoder: MovedEncoders = None

    def source(self, items: Path, on_bad_rows: BadRows) -> "ItemSource":
        """The items as jobs take them.

        Raises:
            ConfigError: If one of `--sales` and `--as-of` is given alone, or `--encoder` says
                anything but where weights lie.
        """
        from fusion.choices.mistakes import Mistakes
        from fusion.choices.parameters import EncoderPaths
        from fusion.job_steps.source import ItemSource
        from fusion.shards import PastSales

        mistakes = Mistakes()
        encoder_paths = EncoderPaths()
        with mistakes.gathered():
            encoder_paths = moved_encoders(self.encoder)
        if (self.sales is None) != (self.as_of is None):
            given = "--as-of" if self.sales is None else "--sales"
            mistakes.add(
                [
                    f"--sales and --as-of must be given together, got {given} alone. Give both or "
                    "none."
                ]
            )
        mistakes.refuse()
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
            encoder_paths,
        )
