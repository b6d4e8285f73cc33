"""Trained forecasts saved and loaded: one folder, readable by anyone, that runs no code.

```
FORECAST/forecast.json          format, columns of items and sales, encoders, members, blend
                                weights, calibration, size and SHA-256 of the rest
FORECAST/forecast.sha256        SHA-256 of forecast.json
FORECAST/weights.safetensors    every number that was learned: `encoders.<modality>.<name>` and
                                `members.<member>.<name>`; what a member knows of past items too
FORECAST/<member>.<name>.txt    what a member keeps as text, such as trees
FORECAST/histories.safetensors  sales, what is known of items and answers out of fold, where they
                                are kept, see `fusion.forecasting.saved.histories`
```

It is written, read and doubted as a bundle of items is, see `fusion.bundle`. Photos and texts are
not in it, and sales only where they are kept: the others are given to `predict`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from encoders.process_state import OwnGenerators
from encoders.spelling import unknown_name
from fusion.bundle.budget import weights_budget
from fusion.bundle.document import saved_schema
from fusion.bundle.folder import check_folder, read_checksum, read_folder, write_folder
from fusion.bundle.parts import described_members, made_with, rebuild_members
from fusion.bundle.saved_encoders import (
    check_fingerprints,
    described_encoders,
    moved_encoders,
    rebuild_encoders,
    tell_of_other_precision,
)
from fusion.bundle.weights import (
    WEIGHTS,
    Tensors,
    check_owners,
    learned_state,
    member_state,
    packed,
    unpacked,
)
from fusion.choices.parameters import EncoderPaths
from fusion.data.panel.frequency import Frequency
from fusion.errors import BundleError
from fusion.forecasting.blending import StageBlend
from fusion.forecasting.calibration import PathCalibration
from fusion.forecasting.heads import FORECAST_HEADS, head_name
from fusion.forecasting.members.base import ForecastMember
from fusion.forecasting.members.registry import FORECAST_MEMBERS
from fusion.forecasting.model import ForecastModel
from fusion.forecasting.saved.answers import check_forecast_answers
from fusion.forecasting.saved.document import (
    FORECAST,
    FORMAT,
    HISTORIES,
    ForecastDocument,
    PathHeadEntry,
)
from fusion.forecasting.saved.histories import check_kept, kept_bytes, kept_entry, read_kept
from fusion.forecasting.trained import TrainedForecast
from fusion.members.base import State
from fusion.plugins import load_plugins
from fusion.saved_parts import RESTORE, described
from fusion.system.files import expanded, json_bytes
from heads.sales_path import SalesPathHead
from heads.trend import HotRule

MOST_DOUBLE = 1e18
"""Bound of a number in double precision: relative answers or units, never as many."""


def save_forecast(trained: TrainedForecast, folder: str | Path) -> None:
    """Writes a forecast; the old one or the new one is there, whole, whenever this is stopped.

    Args:
        trained: What is saved.
        folder: Its place, see `save_bundle`: new, empty or a forecast, which is replaced.

    Raises:
        BundleError: If the folder holds anything else, a part is in no registry, or a number that
            was learned is not finite, so that the forecast could not be loaded.
        OSError: If it cannot be written; then the old forecast is as it was.
    """
    folder = expanded(folder)
    check_folder(folder, FORECAST)
    load_plugins()
    model = trained.model
    learned, member_files = learned_state(trained.encoders, model.members, most_double=MOST_DOUBLE)
    document = {
        "format": FORMAT,
        "made_with": made_with(),
        "schema": trained.schema.to_dict(),
        "sales": asdict(trained.sales),
        "frequency": asdict(trained.frequency),
        "launch": trained.launch,
        "head": {"name": head_name(model.head), **model.head.config},
        "encoders": described_encoders(trained.encoders),
        "members": described_members(FORECAST_MEMBERS, model.members, files=member_files),
        "blend": model.blend.config,
        "calibration": model.calibration.config,
        "new_level": model.new_level,
        "hot": None if model.hot is None else model.hot.config,
        "info": json.loads(json_bytes(trained.info)),  # of what is not defined: null
    }
    files = {WEIGHTS: packed(learned), **member_files}
    if trained.kept is not None:
        check_kept(trained.kept)
        document["kept"] = kept_entry(trained.kept)
        files[HISTORIES] = kept_bytes(trained.kept)
    write_folder(folder, FORECAST, document, files)


def load_forecast(
    folder: str | Path, *, encoder_paths: EncoderPaths | None = None
) -> TrainedForecast:
    """A forecast, checked byte by byte; needs neither the training data nor a network.

    Args:
        folder: The forecast.
        encoder_paths: Where weights of encoders lie now, if they have moved; others are refused.

    Raises:
        BundleError: If a file is absent or changed, the format is unknown, an encoder's weights
            are not those that the forecast was trained with, or the description is of no forecast
            that answers.
    """
    folder = expanded(folder)
    document, files = read_folder(folder, FORECAST)
    with described(f"description of {folder}"):
        trained = _rebuilt(document, files, encoder_paths, name=folder.name)
    tell_of_other_precision(document.encoders, document.info, name=folder.name)
    return trained


def forecast_fingerprint(folder: str | Path) -> str:
    """SHA-256 of the description of a saved forecast, which tells the hashes of all its files.

    Raises:
        BundleError: If the folder holds no forecast.
    """
    return read_checksum(expanded(folder), FORECAST)


def _rebuilt(
    document: ForecastDocument,
    files: Mapping[str, bytes],
    encoder_paths: EncoderPaths | None,
    *,
    name: str,
) -> TrainedForecast:
    load_plugins()
    document = replace(document, encoders=moved_encoders(document.encoders, encoder_paths))
    weights = unpacked(files[WEIGHTS], WEIGHTS, most_double=MOST_DOUBLE)
    check_owners(weights, modalities=document.encoders, members=document.members)
    n_bytes = sum(len(one) for name, one in files.items() if name != HISTORIES)
    with OwnGenerators(0):  # all that is drawn is replaced at once
        encoders = rebuild_encoders(document.encoders, weights, n_weight_bytes=n_bytes)
        model = _rebuilt_model(document, weights, files, n_weight_bytes=n_bytes)
    check_fingerprints(encoders, document.encoders, folder=name)
    with described("sales"):
        sales = document.sales.columns
    frequency, kept = Frequency(**vars(document.frequency)), None
    if (document.kept is None) != (HISTORIES not in files):
        raise BundleError(f"{HISTORIES} must be there where histories are kept. {RESTORE}")
    if document.kept is not None:
        kept = read_kept(
            document.kept,
            files[HISTORIES],
            head=model.head,
            members=model.members,
            frequency=frequency,
            sales=sales,
        )
    trained = TrainedForecast(
        model,
        encoders=encoders,
        schema=saved_schema(document.schema),
        sales=sales,
        frequency=frequency,
        launch=document.launch,
        info=document.info,
        kept=kept,
    )
    check_forecast_answers(trained)
    return trained


def _rebuilt_model(
    document: ForecastDocument,
    weights: Tensors,
    files: Mapping[str, bytes],
    *,
    n_weight_bytes: int,
) -> ForecastModel:
    head = _rebuilt_head(document.head)
    with described("calibration"):
        calibration = PathCalibration(**document.calibration)
        found, wanted = (one.stretch.shape for one in (calibration, PathCalibration.none(head)))
        if found != wanted:
            raise BundleError(f"stretch must be {list(wanted)}, got {list(found)}. {RESTORE}")
    with described("blend"):
        blend = StageBlend(document.blend)

    def load(member: ForecastMember, state: State) -> None:
        member.load_state(state, head=head)

    states = {name: member_state(name, weights, files) for name in document.members}
    with described("description"), weights_budget(n_weight_bytes):
        members = rebuild_members(FORECAST_MEMBERS, document.members, states, load=load)
    with described("head, members, blend and calibration together"):
        return ForecastModel(
            head,
            members=members,
            blend=blend,
            calibration=calibration,
            new_level=document.new_level,
            hot=None if document.hot is None else HotRule(**vars(document.hot)),
        )


def _rebuilt_head(entry: PathHeadEntry) -> SalesPathHead:
    values = asdict(entry)
    name = values.pop("name")
    if name not in FORECAST_HEADS:
        raise BundleError(f"{unknown_name('head', name, FORECAST_HEADS)} {RESTORE}")
    with described("head"):
        return FORECAST_HEADS[name](**values)
