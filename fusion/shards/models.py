"""The trained model of a job: known by its content, and kept in memory from shard to shard."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from encoders.base import Encoder
from encoders.dtype import SWITCH, precision_of, processor_has_bfloat16
from fusion.bundle import Bundle, load_bundle
from fusion.choices.parameters import EncoderPaths
from fusion.errors import JobError
from fusion.shards.data_paths import DataPaths
from fusion.shards.plan import Plan
from fusion.shards.settings import MOST_KEPT, bundle_sha256


def kept_bundle(paths: DataPaths) -> Bundle:
    """The trained model that lies at the place for it now.

    Raises:
        BundleError: If it is damaged, or an encoder cannot be made here.
        ConfigError: If there is none.
    """
    if paths.bundle is None:
        raise JobError("bundle must be given, as the job was planned with a trained model.")
    return _kept(
        bundle_sha256(paths.bundle),
        bundle=paths.bundle,
        encoder_paths=paths.encoders,
        has_bfloat16=processor_has_bfloat16(),
    )


@lru_cache(maxsize=MOST_KEPT)
def _kept(sha256: str, *, bundle: Path, encoder_paths: EncoderPaths, has_bfloat16: bool) -> Bundle:
    del sha256, has_bfloat16  # parts of the key: it is loaded as the processor can compute it
    return load_bundle(bundle, encoder_paths=encoder_paths)


def planned_bundle(plan: Plan, paths: DataPaths) -> Bundle:
    """The trained model of a plan.

    Raises:
        JobError: If another lies in its place, or it would compute in another precision here.
        BundleError: If it is damaged, or an encoder cannot be made here.
        ConfigError: If there is none.
    """
    if paths.bundle is not None and bundle_sha256(paths.bundle) != plan.settings["bundle"]:
        raise JobError(
            f"bundle must be the trained model that the job was planned with, got another in "
            f"{paths.bundle}. Put it back, or begin a new output folder."
        )
    bundle = kept_bundle(paths)
    for name, here in precisions_of(encoders_of(bundle)).items():
        if here != plan.settings.get(name):
            raise JobError(mixed_precision(name, str(plan.settings.get(name)), here))
    return bundle


def encoders_of(bundle: Bundle) -> dict[str, Encoder]:
    """The encoders of a trained model by modality."""
    return {name: bundle.model.encoder(name) for name in bundle.model.modalities}


def precisions_of(encoders: Mapping[str, Encoder]) -> dict[str, str]:
    """What a plan's settings say of the precision that encoders compute in."""
    chosen = {modality: precision_of(encoder) for modality, encoder in encoders.items()}
    return {
        f"precision of {modality}": dtype for modality, dtype in chosen.items() if dtype is not None
    }


def mixed_precision(name: str, begun: str, here: str) -> str:
    """Why a job does not go on with a processor that computes otherwise."""
    return (
        f"{name} must be {begun}, in which the job was begun, got a processor that computes in "
        f"{here}. Go on on processors of one kind, or begin a new output folder with {SWITCH}=no, "
        "which all compute alike."
    )
