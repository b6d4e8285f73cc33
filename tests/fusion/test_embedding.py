"""What the embedding of a catalogue tells while it works."""

import pandas as pd
import pytest
from PIL import Image

from encoders import ColourTextureEncoder
from fusion.data import Schema, build_catalogue
from fusion.embedding import prepare_inputs


@pytest.mark.parametrize("kept", [False, True])
def test_a_progress_bar_ends_where_it_says(tmp_path, kept):
    for name in "abc":
        Image.new("RGB", (8, 8), ("red", "blue", "red")["abc".index(name)]).save(
            tmp_path / f"{name}.png"
        )
    frame = pd.DataFrame({"p": ["a.png", "b.png", None], "q": ["c.png", None, None]})
    catalogue = build_catalogue(frame, Schema(image=("p", "q")), photos=tmp_path)
    seen = []

    def stage(name, total):
        seen.append((total, done := []))
        return done.append

    store = tmp_path / "store" if kept else None
    prepare_inputs({"image": ColourTextureEncoder()}, catalogue, store=store, stage=stage)
    ((total, done),) = seen
    assert total == sum(done) == 3
