"""Models that were saved once answer the same for ever: see `make_frozen.py`."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import encoders
from fusion import BundleError, load_bundle, save_bundle
from fusion.bundle.document import FORMAT
from fusion.members import MEMBERS
from fusion.predictor import Predictor

FROZEN = Path(__file__).parent / "frozen"
FORMATS = sorted((path.name for path in FROZEN.iterdir()), key=lambda name: (len(name), name))
SHIPPED = {
    "clothing18.safetensors": "c07105cd1c31780011eb5283540212a2338986db665466f7b5b2097b6c4db7b0",
}
"""SHA-256 of the weights that ship: others need a name of their own, as bundles keep the name."""
CLOSE = 1e-3
"""Units by which answers may differ on another processor; their interval is 14 units wide."""


def answers_of(bundle, frozen):
    """What a bundle answers now to the items of a frozen one, and what it answered then."""
    told = pd.DataFrame(json.loads((frozen / "answers.json").read_text())).T
    asked = pd.DataFrame(json.loads((frozen / "items.json").read_text()))
    now = Predictor(bundle).predict(asked).set_index("id")
    return now[list(told.columns)], told


def test_the_format_that_is_written_has_its_frozen_bundle():
    assert FORMATS[-1:] == [f"format_{FORMAT}"], (
        f"Format {FORMAT} must keep a frozen bundle. Run: python tests/fusion/bundle/make_frozen.py"
    )


@pytest.mark.parametrize("name", FORMATS)
def test_a_frozen_bundle_loads_and_gives_the_same_numbers(name, tmp_path):
    bundle = load_bundle(FROZEN / name / "bundle")
    now, told = answers_of(bundle, FROZEN / name)
    np.testing.assert_allclose(now, told, atol=CLOSE, rtol=0)
    save_bundle(bundle, tmp_path / "again")
    again, _ = answers_of(load_bundle(tmp_path / "again"), FROZEN / name)
    np.testing.assert_allclose(again, now, atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", FORMATS)
def test_every_member_of_a_frozen_bundle_counts(name):
    stack = load_bundle(FROZEN / name / "bundle").model.stack
    assert len(stack.asked) >= 4
    assert name != f"format_{FORMAT}" or set(stack.asked) == set(MEMBERS)


@pytest.mark.parametrize("name", FORMATS)
def test_a_frozen_bundle_is_small_and_complete(name):
    files = [path for path in (FROZEN / name).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 100_000


@pytest.mark.parametrize("number", range(3, FORMAT))
def test_a_bundle_of_an_older_format_is_refused_in_a_sentence_that_says_what_to_do(
    number, tmp_path, write_crafted
):
    if f"format_{number}" in FORMATS:
        return  # it must load, see above
    shutil.copytree(FROZEN / FORMATS[-1] / "bundle", tmp_path / "old")
    document = json.loads((tmp_path / "old" / "bundle.json").read_text())
    del document["members"], document["stack"]
    write_crafted(tmp_path / "old", {**document, "format": number, "n_networks": 4})
    with pytest.raises(BundleError, match=rf"format must be {FORMAT}, got {number}\. Another vers"
                                          "ion .* train again with this one"):  # fmt: skip
        load_bundle(tmp_path / "old")


def test_weights_that_ship_are_never_replaced_under_their_name():
    place = Path(encoders.__file__).parent / "image" / "weights"
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in place.glob("*.safetensors")
    }
    assert found == SHIPPED
