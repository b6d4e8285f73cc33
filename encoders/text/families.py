"""Which transformers can read texts here: those whose tokens all see each other, and no padding."""

import json
from pathlib import Path

FAMILIES = (
    "albert", "bert", "camembert", "data2vec-text", "deberta", "deberta-v2", "distilbert",
    "electra", "ernie", "gte", "megatron-bert", "mobilebert", "modernbert", "mpnet", "nomic_bert",
    "rembert", "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl",
)  # fmt: skip
"""`model_type` of each; others mix in padding (ConvBERT, FNet, Nystromformer) or read onwards."""
FLOAT32_ALONE = ("deberta",)
"""Families whose attention in transformers mixes float32 in, so that bfloat16 ends in an error."""


def supported_family(folder: Path) -> str:
    """The family of a checkpoint that is an encoder of texts, by its config.json alone.

    Raises:
        ValueError: If it is an encoder-decoder, a decoder, or of a family that is not known.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_bytes())
        family = str(config["model_type"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"config.json of a checkpoint must name its model_type, got none ({path}). Copy the "
            "checkpoint again."
        ) from error
    if family in FAMILIES and not config.get("is_decoder"):
        return family
    kind = "a decoder" if config.get("is_decoder") else "another kind of model"
    if config.get("is_encoder_decoder"):
        kind = "an encoder with a decoder"
    raise ValueError(
        f"checkpoint must be an encoder of the family {', '.join(FAMILIES)}, got {family!r}, "
        f"{kind} ({path}). Use a checkpoint of one of these families."
    )
