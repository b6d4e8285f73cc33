"""`fusion pretrain`: a catalogue in, encoders that learned from its texts and photos out.

Reads: an items table, whose sales play no part, and photos.
Writes: a folder with `text/`, `image.safetensors` (by objective) and `pretraining.json`, see
`fusion.pretraining.run`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from encoders import ENCODERS
from encoders.base import Encoder
from encoders.image.resnet import ResNetEncoder
from encoders.names import KNOWN
from encoders.process_state import OwnGenerators
from encoders.spelling import unknown_name
from fusion.choices.build import built_encoder
from fusion.choices.checks import why_ignored
from fusion.choices.encoders import HUB, EncoderChoice, EncoderChoices
from fusion.choices.mistakes import Mistakes, checked_settings
from fusion.choices.paths import folder_mistakes, photo_folder_mistakes
from fusion.data.catalogue import Catalogue, build_catalogue
from fusion.data.infer import infer_schema
from fusion.data.policy import apply_policy
from fusion.data.problems import OnBadRows, Problem, check_policy
from fusion.data.schema import Schema
from fusion.data.tables import read_table
from fusion.embedding import problem_code
from fusion.errors import ConfigError
from fusion.fitting.spec import check_logs
from fusion.modalities import input_roles
from fusion.pretraining import (
    FILES,
    Contents,
    PretrainingResult,
    PretrainingSettings,
    check_encoders,
    join_contents,
    pretrain_encoders,
    read_contents,
)
from fusion.progress import Stage, silent
from fusion.system.files import readable
from fusion.system.lock import check_free, locked

TRAINABLE = {"text": "bert", "image": "resnet"}
"""The encoders that the objectives know how to train, by modality."""


@dataclass(frozen=True)
class Source:
    """Where texts and photos come from.

    Args:
        items: Items table.
        photos: Folder of the photos.
        columns: Columns of the role `id` and of the modalities that are learned from; found where
            not given.
        on_bad_rows: What faulty rows do.
        delimiter: What separates the cells of a CSV table; found in it where None.
    """

    items: Path
    photos: Path | None = None
    columns: Mapping[str, list[str] | None] = field(default_factory=dict)
    on_bad_rows: OnBadRows = "raise"
    delimiter: str | None = None


def pretrain(
    source: Source,
    output: Path,
    settings: PretrainingSettings,
    *,
    encoders: EncoderChoices | None = None,
    stage: Stage = silent,
) -> PretrainingResult:
    """Trains encoders on the texts and photos of a catalogue; a run that was stopped goes on.

    Args:
        source: Items and photos.
        output: Folder of the run; made if absent.
        settings: Objective, and how it is trained.
        encoders: Encoders to begin with.
        stage: Opens progress bars.

    Raises:
        CatalogueError: If the items have problems and must not.
        ConfigError: If an encoder cannot be trained, or the items lack what the objective needs.
        JobError: If the folder is in use, or belongs to something else.
    """
    catalogue, built = _checked(source, output, settings, choices=encoders or EncoderChoices())
    values: dict[str, Any] = catalogue.values
    contents = {
        modality: read_contents(encoder, values[modality], stage=stage)
        for modality, encoder in built.items()
    }
    problems = list(_problems(contents, catalogue))
    _, dropped = apply_policy(catalogue, problems, on_bad_rows=source.on_bad_rows)
    kept = [row for row in range(len(catalogue)) if row not in dropped]
    output.mkdir(parents=True, exist_ok=True)
    with locked(output):
        return pretrain_encoders(
            built,
            join_contents(contents, kept),
            settings,
            output,
            items=_facts(contents, catalogue, dropped),
            stage=stage,
        )


def _checked(
    source: Source, output: Path, settings: PretrainingSettings, *, choices: EncoderChoices
) -> tuple[Catalogue, dict[str, Encoder]]:
    """The items and the encoders, once nothing that can be seen before the work is wrong.

    Raises:
        CatalogueError, ConfigError, ImportError, OSError, ValueError: With every mistake.
    """
    mistakes = Mistakes()
    mistakes.add(folder_mistakes("out", output))
    if "text" in settings.modalities and readable(str(output)) != str(output):
        mistakes.add(
            [
                f"out must be a name in UTF-8 where texts are learned from, as tokenizers "
                f"open no other, got {readable(str(output))}. Choose another."
            ]
        )
    mistakes.add(photo_folder_mistakes(source.photos))
    catalogue: Catalogue | None = None
    encoders: dict[str, Encoder] = {}
    with mistakes.gathered():
        check_policy(source.on_bad_rows)
    with mistakes.gathered():
        check_free(output)
    with mistakes.gathered():
        check_logs(settings.tensorboard)
    with mistakes.gathered():
        frame = read_table(source.items, delimiter=source.delimiter)
        schema = _schema(frame, source, settings)
        catalogue = build_catalogue(frame, schema, photos=source.photos, source=source.items.name)
    with mistakes.gathered():
        encoders = build_encoders(choices, settings)
        check_encoders(encoders, settings)
    mistakes.refuse()
    assert catalogue is not None
    return catalogue, encoders


def settings_of(**given: Any) -> PretrainingSettings:
    """Settings from options of which None are not given.

    Raises:
        ConfigError: With every mistake.
    """
    values = {name: value for name, value in given.items() if value is not None}
    return checked_settings(PretrainingSettings, values, source="pretraining")


def build_encoders(choices: EncoderChoices, settings: PretrainingSettings) -> dict[str, Encoder]:
    """The encoders that an objective trains, in float32; random weights follow from the seed.

    Raises:
        ConfigError: If an encoder cannot be trained.
        ValueError, OSError, ImportError: If its weights cannot be found or used.
    """
    encoders: dict[str, Encoder] = {}
    mistakes = Mistakes()
    with OwnGenerators(settings.seed):
        for modality in settings.modalities:
            with mistakes.gathered():
                encoders[modality] = _trainable_encoder(choices[modality], modality)
    mistakes.refuse()
    image = encoders.get("image")
    if isinstance(image, ResNetEncoder) and settings.image_size is not None:
        how, size = image.preprocessing, settings.image_size
        resize = round(how.resize * size / how.crop)
        image.preprocessing = replace(how, resize=resize, crop=size, source="given")
    return encoders


def summary_lines(result: PretrainingResult, output: Path) -> list[str]:
    """What a run ended with, in words."""
    epochs = enumerate(zip(result.training_loss, result.validation_loss, strict=True), start=1)
    lines = ["epoch   training loss   held-out loss"]
    lines += [
        f"{epoch:>5}{learned:>16.4f}{held_out:>16.4f}" for epoch, (learned, held_out) in epochs
    ]
    lines.append(f"Learned from {result.n_training:,} rows; {result.n_validation:,} were held out.")
    if result.items["left_out"]:
        lines.append(
            f"{len(result.items['left_out']):,} faulty rows are named in pretraining.json."
        )
    return lines + [f"{name:<6} encoder  {output / FILES[name]}" for name in result.ended_with]


def _trainable_encoder(choice: EncoderChoice, modality: str) -> Encoder:
    """An encoder whose weights an objective trains, in float32.

    Raises:
        ConfigError: If it is another than these objectives know to train.
        ValueError, OSError, ImportError: If its weights cannot be found or used.
    """
    name = TRAINABLE[modality]
    is_built = isinstance(choice.encoder, Encoder)
    got = choice.encoder if isinstance(choice.encoder, str) else type(choice.encoder).__name__
    if not (isinstance(choice.encoder, ENCODERS[name]) if is_built else got == name):
        known = KNOWN[name]
        valid = [*known.names, *(HUB if known.reads_checkpoints else ())]
        raise ConfigError(
            f"encoders.{modality} must be one of {', '.join(valid)}, got {got}, which has no "
            "weights to train."
        )
    options = {"dtype": "float32", **choice.options}
    return built_encoder(choice if is_built else replace(choice, options=options), modality)


def _schema(frame: pd.DataFrame, source: Source, settings: PretrainingSettings) -> Schema:
    """Columns of the modalities that the objective needs; no other is looked at."""
    wanted = settings.modalities
    given = {role: names for role, names in source.columns.items() if names is not None}
    roles = ("id", *input_roles())
    unknown = [
        unknown_name("a role of columns", role, roles) for role in given if role not in roles
    ]
    if unknown:
        raise ConfigError("\n".join(unknown))
    needless = [role for role in given if role not in ("id", *wanted)]
    if needless:
        raise ConfigError(
            f"{' and '.join(needless)} columns must be left out with objective "
            f"{settings.objective!r}, which learns from {' and '.join(wanted)}."
        )
    others: dict[str, list[str]] = {role: [] for role in input_roles() if role not in wanted}
    schema = infer_schema(frame, photos=source.photos, given={**given, **others})
    lacking = [modality for modality in wanted if not schema.columns_of(modality)]
    if lacking:
        raise ConfigError(
            f"{source.items.name} must have a column of the role {' and of '.join(lacking)} for "
            f"objective {settings.objective!r}, got none. Name it with --column {lacking[0]}=NAME, "
            f"and the folder of the photos with --photos.{why_ignored(schema)}"
        )
    return schema


def _problems(contents: Mapping[str, Contents], catalogue: Catalogue) -> Iterator[Problem]:
    """Texts and photos that could not be read."""
    for modality, found in contents.items():
        columns = ", ".join(catalogue.schema.columns_of(modality))
        for row, error in found.failures.items():
            code = problem_code(error, modality)
            yield Problem(code, str(error), row=row, column=columns, modality=modality)


def _facts(
    contents: Mapping[str, Contents], catalogue: Catalogue, dropped: Mapping[int, str]
) -> dict[str, Any]:
    """What is known of the table: columns, counts, and every row that was left out, with why."""
    kept = [row for row in range(len(catalogue)) if row not in dropped]
    return {
        "table": catalogue.source,
        "columns": {name: list(catalogue.schema.columns_of(name)) for name in contents},
        "n_read": len(catalogue),
        "n_without": {
            name: sum(not found.places[row] for row in kept) for name, found in contents.items()
        },
        "left_out": [
            {"row": row, "id": catalogue.ids[row], "reason": reason}
            for row, reason in dropped.items()
        ],
    }
