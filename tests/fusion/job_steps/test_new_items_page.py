"""The page of new items says which weights read the photos, as a report does."""

import numpy as np
import pandas as pd
from PIL import Image

from fusion import FusionRegressor, Predictor
from fusion.job_steps.new_items import write_page
from fusion.job_steps.photo_weights import photo_weights_notes
from fusion.report import best_rows


def test_the_page_of_new_items_ends_its_notes_with_the_weights_that_read_the_photos(tmp_path):
    for name, colour in (("red.png", "red"), ("blue.png", "blue")):
        Image.new("RGB", (24, 24), colour).save(tmp_path / name)
    items = pd.DataFrame({"photo": ["red.png", "blue.png"] * 15, "cost": np.arange(30.0)})
    model = FusionRegressor(
        columns={"image": ["photo"]},
        encoders={"image": "colour_texture"},
        members=["ridge"],
        photos=tmp_path,
        random_state=0,
    ).fit(items, items["cost"].to_numpy())
    predictor = Predictor(model.bundle_, photos=tmp_path)
    asked = predictor.read(items.head(3))
    answers = predictor.answer_table(asked)
    new = write_page(predictor, answers, asked.take(best_rows(predictor, answers)), tmp_path / "p")
    (note,) = photo_weights_notes(model.bundle_.model.encoders)
    page = (tmp_path / "p").read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    assert "Photos (image) are read by ColourTexture." in page
    assert note not in new.notes  # a report shows these items too, and has the note elsewhere
