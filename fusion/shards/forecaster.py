"""What turns rows into predictions: a trained model, and past sales where it was given them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fusion.data.absent import tell_absent_columns
from fusion.data.problems import Problem, raise_for
from fusion.data.schema import Schema, missing_columns
from fusion.errors import CatalogueError
from fusion.progress import Stage, silent
from fusion.shards.data_paths import DataPaths
from fusion.shards.input import table_sha256
from fusion.shards.plan import Plan
from fusion.shards.predict_settings import PredictSettings
from fusion.shards.settings import bundle_sha256
from fusion.shards.tables import SAMPLE_ROWS, column_names, first_rows, list_files
from fusion.shards.whole import with_cuttable_items
from fusion.shards.work import STEADY_ROWS, Answers, Planned, Work

if TYPE_CHECKING:
    import pandas as pd

    from fusion.data.catalogue import Catalogue
    from fusion.embedding import Prepared
    from fusion.predictor import Predictor


@dataclass
class Forecaster(Work):
    """A trained model that answers.

    Args:
        predictor: The model.
        history: Past sales by item, columns `history_names`; None where none were given.
        item: The id column of items in the sales table.
        is_id: Whether the model reads its ids in that column too.
    """

    predictor: "Predictor"
    history: "pd.DataFrame | None" = None
    item: str = ""
    is_id: bool = False

    @classmethod
    def placed(cls, paths: DataPaths, folder: Path, settings: PredictSettings) -> DataPaths:
        """Tables of every kind that is read are answered, see `with_cuttable_items`."""
        return with_cuttable_items(paths, folder, delimiter=settings.delimiter)

    @classmethod
    def asked(cls, paths: DataPaths, settings: PredictSettings) -> dict[str, Any]:
        """Settings, the model and the sales table, each of these two by its SHA-256."""
        assert paths.bundle is not None
        sales = None if settings.sales is None else table_sha256(settings.sales.table)
        return {"bundle": bundle_sha256(paths.bundle), "sales": sales} | settings.to_dict()

    @classmethod
    def planned(cls, paths: DataPaths, folder: Path, settings: PredictSettings) -> Planned:
        """Which columns are read, and in which precision; past sales are summed up for shards."""
        from fusion.data.panel.asof import history_names
        from fusion.shards.history import read_history, sales_columns, sales_unit, write_history
        from fusion.shards.models import encoders_of, kept_bundle, precisions_of

        bundle = kept_bundle(paths)
        schema = bundle.schema
        known: dict[str, Any] = dict(precisions_of(encoders_of(bundle)))
        if settings.sales is None:
            return Planned(schema, schema.all_columns, settings=known)
        names = sales_columns(bundle.info, settings.sales)
        unit = sales_unit(bundle.info, settings.sales)
        given = history_names(unit, price=names.price is not None)
        columns = columns_beside_sales(schema, names.item, given=given)
        _check_names(paths.items, names.item, given, settings)
        if settings.on_bad_rows == "absent":
            columns = _in_any_table(columns, schema, paths.items, settings, given=given)
        sha256 = write_history(folder, settings.sales, columns=names, unit=unit)
        keys = _keys(paths.items, names.item, delimiter=settings.delimiter)
        _check_shared(read_history(folder, sha256), keys, column=names.item)
        return Planned(schema, columns, settings=known | {"history": sha256, "item": names.item})

    @classmethod
    def loaded(cls, folder: Path, plan: Plan, paths: DataPaths) -> Self:
        """The trained model of a plan, and its past sales."""
        from fusion.predictor import Predictor
        from fusion.shards.history import read_history
        from fusion.shards.models import planned_bundle

        predictor = Predictor(planned_bundle(plan, paths))
        item = plan.settings.get("item")
        if item is None:
            return cls(predictor)
        history = read_history(folder, plan.settings["history"])
        return cls(predictor, history, item, item == plan.schema.id)

    def joined(self, frame: "pd.DataFrame") -> "tuple[pd.DataFrame, list[Problem]]":
        """Rows with the past sales of their items; missing where an item was never sold."""
        if self.history is None:
            return frame, []
        import pandas as pd

        from fusion.data.panel.cells import read_item_ids

        keys, problems = read_item_ids(frame, self.item)
        found = self.history.reindex(pd.Index(keys, dtype=object))
        joined = frame.assign(**{name: found[name].to_numpy() for name in found.columns})
        absent = [name for name in self.predictor.bundle.schema.all_columns if name not in joined]
        joined = joined.assign(**dict.fromkeys(absent))
        return joined, [] if self.is_id else problems  # the id's own faults are told as such

    @property
    def n_cacheable(self) -> int:
        """Modalities that are embedded, each with a progress of its own."""
        from fusion.shards.models import encoders_of

        return sum(encoder.cacheable for encoder in encoders_of(self.predictor.bundle).values())

    def prepare(
        self, catalogue: "Catalogue", *, store: Path | None, stage: Stage = silent
    ) -> "Prepared":
        """Model inputs of rows; a value that cannot be read is absent and named."""
        from fusion.embedding import prepare_inputs
        from fusion.shards.models import encoders_of

        encoders = encoders_of(self.predictor.bundle)
        return prepare_inputs(
            encoders, catalogue, store=store, batch_multiple=STEADY_ROWS, stage=stage
        )

    def answers(self, prepared: "Prepared", rows: NDArray[np.int64]) -> Answers:
        """Columns of every head in its units, and `present`, as `Predictor.predict` has them."""
        from fusion.data.labels import label_texts
        from fusion.predictor import present_names

        inputs = prepared.inputs.take(rows)
        answers, labels = self.predictor.answers(inputs), self.predictor.labels()
        nothing = np.zeros(0)
        columns = {
            name: pa.array(label_texts(answers.get(name, nothing), labels[name]), pa.string())
            if name in labels
            else pa.array(answers.get(name, nothing), pa.float64())
            for name in self.predictor.columns()
        }
        names = present_names(inputs)
        return Answers({**columns, "present": pa.array(names, pa.string())})


def columns_beside_sales(schema: Schema, item: str, *, given: Sequence[str]) -> list[str]:
    """Columns that items must have where a sales table gives some, and is joined by their ids."""
    own = [name for name in schema.all_columns if name not in given]
    return list(dict.fromkeys([*own, item]))


def _in_any_table(
    columns: list[str],
    schema: Schema,
    items: Path,
    settings: PredictSettings,
    *,
    given: Sequence[str],
) -> list[str]:
    """Those of some columns that a table of items has; a line tells those that one lacks.

    Raises:
        CatalogueError: As `tell_absent_columns`.
    """
    found = set[str]()
    for path in list_files(items):
        names = column_names(path, delimiter=settings.delimiter)
        there = [*names, *given]
        tell_absent_columns(schema.all_columns, there, id_column=schema.id, source=path.name)
        found |= set(names)
    return [name for name in columns if name in found]


def _check_names(items: Path, item: str, given: Sequence[str], settings: PredictSettings) -> None:
    """Refuses items without the column that a sales table is joined by, or with those it gives.

    Raises:
        CatalogueError: With their names.
    """
    for path in list_files(items):
        names = column_names(path, delimiter=settings.delimiter)
        raise_for(missing_columns([item], names), source=path.name)
        if twice := [name for name in given if name in names]:
            raise CatalogueError(
                f"items must not have the columns {', '.join(twice)} already, which --sales gives "
                f"({path.name}). Rename or remove them."
            )


def _keys(items: Path, column: str, *, delimiter: str | None) -> Iterator[set[str]]:
    """Ids of items as the sales table has them; the first rows come without a pass over all."""
    from fusion.data.panel.cells import read_item_ids
    from fusion.shards.history import cut_table

    first = first_rows(list_files(items)[0], n_rows=SAMPLE_ROWS, delimiter=delimiter)
    yield {key for key in read_item_ids(first, column)[0] if key is not None}
    for part, _ in cut_table(items, [column], delimiter=delimiter)():
        yield {key for key in read_item_ids(part, column)[0] if key is not None}


def _check_shared(history: "pd.DataFrame", keys: Iterable[set[str]], *, column: str) -> None:
    """Refuses items of which none was ever sold: the tables would write ids differently.

    Raises:
        CatalogueError: If no id is in both.
    """
    from fusion.data.panel.tables import no_shared_ids

    known = set(history.index)
    if not any(known & part for part in keys):
        raise no_shared_ids(column)
