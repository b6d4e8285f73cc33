"""The table of modalities, and what follows from its rows."""

from dataclasses import replace

import pandas as pd
import pytest

from encoders import ENCODERS
from encoders.names import KNOWN
from fusion.data.catalogue import build_catalogue
from fusion.data.schema import Schema
from fusion.errors import ConfigError
from fusion.job_steps.config import TrainConfig
from fusion.job_steps.measure import modality_columns
from fusion.modalities import MODALITIES, Modality, input_roles

SCHEMA = Schema(
    "sku",
    {
        "text": ("title",),
        "numeric": ("price",),
        "categorical": ("brand",),
        "row_text": ("title", "price", "brand", "note"),
    },
)


def test_no_two_modalities_share_a_role_and_names_are_keys():
    roles = input_roles()
    assert len(set(roles)) == len(roles) and "id" not in roles
    assert {name: modality.name for name, modality in MODALITIES.items()} == {
        name: name for name in MODALITIES
    }


@pytest.mark.parametrize("modality", MODALITIES.values(), ids=lambda modality: modality.name)
def test_every_default_encoder_reads_the_kind_of_its_modality(modality):
    names = {name: entry for entry, known in KNOWN.items() for name in known.names}
    encoder = names.get(modality.default_encoder, modality.default_encoder)
    assert encoder in ENCODERS, f"Add {encoder!r} to ENCODERS in encoders/registry.py."
    assert ENCODERS[encoder].modality == modality.kind


def test_a_role_that_is_added_can_be_had_by_columns(monkeypatch):
    with pytest.raises(ValueError, match="register that first"):
        Schema(columns={"sound": ("jingle",)})
    sound = replace(MODALITIES["text"], name="sound", roles=("sound",))
    monkeypatch.setitem(MODALITIES, "sound", sound)
    schema = Schema(columns={"sound": ("jingle",), "text": ("title",)})
    assert schema.modalities == {"text": "text", "sound": "text"}
    assert schema.all_columns == ("title", "jingle")
    frame = pd.DataFrame({"title": ["Hat"], "jingle": ["la la"]})
    assert build_catalogue(frame, schema, photos=None).values["sound"] == ["la la"]
    misplaced = {"data": {"items": "items.csv", "sound": ["jingle"]}, "heads": []}
    with pytest.raises(ConfigError, match=r"got 'sound'\. Roles .* \[data.columns\]: sound = \["):
        TrainConfig.from_dict(misplaced)


def test_a_reader_must_give_one_value_a_row(monkeypatch):
    broken = Modality("sound", "sound", ("sound",), lambda table: ([], []), "tfidf", "sound")
    monkeypatch.setitem(MODALITIES, "sound", broken)
    with pytest.raises(ValueError, match="one value a row, got 0 for 1 rows"):
        build_catalogue(
            pd.DataFrame({"jingle": ["la"]}), Schema(columns={"sound": ("jingle",)}), photos=None
        )


def test_what_repeats_others_goes_with_its_kind_and_holds_no_column_that_is_left_out():
    both = modality_columns(SCHEMA, ("text", "numeric"))
    assert both["row_text"] == ["title", "price", "brand"]
    assert modality_columns(SCHEMA, ("text",))["row_text"] == ["title"]
    alone = modality_columns(SCHEMA, ("numeric",))
    assert alone["row_text"] == [] and alone["categorical"] == ["brand"] and "id" not in alone
