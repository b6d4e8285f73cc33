"""Making the plan of a job, or finding the one that was made."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusion.data.schema import Schema
from fusion.errors import CatalogueError, ConfigError, JobError
from fusion.mistakes import Mistakes
from fusion.shards.commit import FOLDERS
from fusion.shards.input import input_changes, input_state
from fusion.shards.plan import (
    Places,
    Plan,
    check_unchanged,
    cut_input,
    has_plan,
    read_plan,
    versions,
    write_plan,
)
from fusion.shards.receipts import finished
from fusion.shards.repeated import REPEATED_IDS, write_repeated
from fusion.shards.settings import JobSettings
from fusion.shards.tables import first_rows, list_files

if TYPE_CHECKING:
    import pandas as pd

    from fusion.bundle import Bundle

SAMPLE_ROWS = 4096  # first rows, in which columns of texts and photos are looked for


def plan_of(places: Places, output: Path, settings: JobSettings) -> tuple[Plan, float]:
    """The plan on disk, if it is still that of this input and these settings, or a new one.

    Of the input, names, sizes and headers are compared, and the bytes of all finished shards.

    Returns:
        The plan, and the seconds that reading the tables for it took.
    """
    asked = settings.to_dict(bundle=places.bundle)
    bundle = _model(places)
    asked |= _precisions(bundle)
    if has_plan(output):
        start = time.perf_counter()
        plan = read_plan(output)
        # Shards that are left are compared when they are read: no byte is read twice.
        done = finished(output, plan)
        changes = input_changes(places.items, plan, [plan.shards[number] for number in done])
        check_unchanged(plan, asked, [str(change) for change in changes])
        return plan, time.perf_counter() - start
    known = {*FOLDERS, "places.json", REPEATED_IDS}
    paths = [output / name for name in FOLDERS]
    names = [p.name for p in output.iterdir() if p.name not in known]
    names += [f"{path.name}/{p.name}" for path in paths for p in path.iterdir()]
    strangers = [name for name in names if not Path(name).name.startswith(".")]
    if strangers:
        raise JobError(
            f"{output} must be new, empty or the folder of an embedding job, got one with "
            f"{', '.join(sorted(strangers)[:5])}. Choose another."
        )
    state = input_state(places.items)
    schema, encoders = _what(places, settings, bundle)
    start = time.perf_counter()
    files, shards, repeated = cut_input(
        places.items,
        shard_rows=settings.shard_rows,
        schema=schema,
        delimiter=settings.delimiter,
        on_bad_rows=settings.on_bad_rows,
    )
    if input_state(places.items) != state:
        raise JobError(
            "items must stay as they are while a job is planned, got tables that changed. Run the "
            "same command again."
        )
    shards = write_repeated(output, shards, repeated)
    plan = Plan(asked, encoders, schema, files, shards, versions())
    write_plan(output, plan)
    return plan, time.perf_counter() - start


def _model(places: Places) -> "Bundle | None":
    """The trained model that fuses, where one does."""
    if places.bundle is None:
        return None
    from fusion.bundle import load_bundle  # torch: where there is a model, or a plan to be made

    return load_bundle(places.bundle, places=places.encoders)


def _precisions(bundle: "Bundle | None") -> dict[str, str]:
    """Precision of a trained model here; without one, encoders are planned with theirs."""
    if bundle is None:
        return {}
    from fusion.shards.embedder import precisions_of

    return precisions_of({name: bundle.model.encoder(name) for name in bundle.model.modalities})


def _what(
    places: Places, settings: JobSettings, bundle: "Bundle | None"
) -> tuple[Schema, dict[str, dict[str, Any]]]:
    """Which columns are read, and by which encoders; a trained model knows both."""
    from fusion.build import pretrained_encoders
    from fusion.choices import why_ignored
    from fusion.data.infer import infer_schema
    from fusion.shards.embedder import describe_encoders

    if bundle is not None:
        _check_columns(settings, bundle.schema)
        return bundle.schema, {}
    given: dict[str, list[str] | None] = dict(settings.columns)
    given |= {role: [] for role in ("numeric", "categorical", "dates", "history", "row")}
    sample = _sample(places.items, delimiter=settings.delimiter)
    schema = infer_schema(sample, photos=places.photos, given=given, source=places.items.name)
    encoders = pretrained_encoders(settings.choice, schema.modalities, store=places.store)
    if not encoders:
        raise ConfigError(
            f"{places.items} must have a text or photo column that an encoder without training "
            "reads, got none. Name them with --text and --image, and the folder with --photos."
            f"{why_ignored(schema)}"
        )
    kept = {role: getattr(schema, role) for role in ("text", "image") if role in encoders}
    return Schema(id=schema.id, **kept), describe_encoders(encoders)


def _check_columns(settings: JobSettings, schema: Schema) -> None:
    """Refuses columns that a trained model does not read as asked: they would play no role.

    Raises:
        ConfigError: With every role whose columns are not the model's own.
    """
    mistakes = Mistakes()
    for role, names in settings.columns.items():
        own = schema.id if role == "id" else getattr(schema, role)
        columns = [own] if isinstance(own, str) else list(own or ())
        if names is not None and sorted(names) != sorted(columns):
            got = ", ".join(names) or "none"
            mistakes.add(
                [
                    f"{role} columns must be those of the bundle, {', '.join(columns) or 'none'}, "
                    f"got {got}. Leave them out."
                ]
            )
    mistakes.refuse()


def _sample(items: Path, *, delimiter: str | None) -> "pd.DataFrame":
    """The first rows of the first table that has any.

    Raises:
        CatalogueError: If no table has.
    """
    for path in list_files(items):
        sample = first_rows(path, n_rows=SAMPLE_ROWS, delimiter=delimiter)
        if len(sample):
            return sample
    raise CatalogueError(f"items must have rows, got none in {items}.")
