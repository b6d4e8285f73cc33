"""What a job of predictions is asked to do, whatever it runs on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from fusion.choices.mistakes import Mistakes
from fusion.errors import ConfigError
from fusion.shards.settings import add_cutting_mistakes


@dataclass(frozen=True)
class PastSales:
    """A sales table and the date of the forecast; only weeks that ended before it are read.

    Args:
        table: CSV, TSV or Parquet file, or a folder of them, read part by part; or a table of
            another kind, which is held as a whole.
        as_of: Date of the forecast, such as 2024-01-31.
    """

    table: Path
    as_of: str

    def as_trained(self, info: Mapping[str, Any]) -> dict[str, Any]:
        """The sales section that a model was trained with, for this table and date.

        Args:
            info: What its bundle says of the training.

        Raises:
            ConfigError: If the model was trained without a sales table, or before its frequency was
                written down.
        """
        known: dict[str, Any] | None = info.get("sales")
        if known is None:
            raise ConfigError(
                f"sales must be left out, got {self.table}: the model was trained without a sales "
                "table. Write past sales into the items table, as in training."
            )
        if known.get("frequency") is None:
            raise ConfigError(
                "sales must be counted as in training, by day, week or month, got a model that "
                "does not say which: an earlier version trained it. Train it again."
            )
        return {**known, "table": self.table, "as_of": self.as_of}


@dataclass(frozen=True)
class PredictSettings:
    """What a job of predictions does, whatever it is run on.

    Args:
        on_bad_rows: `record` (an error in place of an answer), `absent` (a faulty value is absent)
            or `raise` (the job stops at the first shard with a fault).
        shard_rows: Rows of a shard (1 to 2**31 - 1): what a kill can cost.
        delimiter: What separates the cells of CSV files; found in them where None.
        sales: Past sales, for a model that was trained with a sales table.
    """

    work: ClassVar[str] = "predict"
    doing: ClassVar[str] = "predicting"

    on_bad_rows: str = "record"
    shard_rows: int = 4096
    delimiter: str | None = None
    sales: PastSales | None = None

    def __post_init__(self) -> None:
        mistakes = Mistakes()
        add_cutting_mistakes(mistakes, self)
        mistakes.refuse()

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON types, without the sales table."""
        return {
            "on_bad_rows": self.on_bad_rows,
            "shard_rows": self.shard_rows,
            "delimiter": self.delimiter,
            "as_of": None if self.sales is None else self.sales.as_of,
        }
