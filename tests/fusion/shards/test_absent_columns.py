"""Files of a catalogue of which some lack a column that the job reads."""

import logging

import pandas as pd
import pytest

from fusion.choices.encoders import EncoderChoices
from fusion.errors import CatalogueError
from fusion.shards import DataPaths, JobSettings, embed_catalogue, read_embeddings, verify_job


def embed(folder, output, engine, **settings):
    chosen = JobSettings(
        encoders=EncoderChoices({"image": "colour_texture"}),
        columns={"id": ["id"], "image": ["photo", "back"], "text": []},
        shard_rows=3,
        **settings,
    )
    return embed_catalogue(
        DataPaths(folder / "items", folder / "photos"), output, chosen, engine=engine
    )


def write(folder, name, frame):
    (folder / "items").mkdir(exist_ok=True)
    path = folder / "items" / name
    frame.to_csv(path, index=False) if name.endswith("csv") else frame.to_parquet(path)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_column_that_one_file_lacks_is_absent_in_its_rows(
    suffix, tmp_path, add_photo, in_process, caplog
):
    (tmp_path / "photos").mkdir()
    for seed in range(10):
        add_photo(tmp_path / "photos" / f"{seed}.png", seed=seed)
    names = [f"{seed}.png" for seed in range(10)]
    first = pd.DataFrame({"back": names[5:], "id": list("abcde"), "photo": names[:5]})
    second = pd.DataFrame({"id": list("fghij"), "photo": names[5:]})
    write(tmp_path, f"1.{suffix}", first)
    write(tmp_path, f"2.{suffix}", second)
    with pytest.raises(CatalogueError, match=r"2\.\w+ has 1 problem(.|\n)*column back"):
        embed(tmp_path, tmp_path / "strict", in_process())
    with caplog.at_level(logging.WARNING, "fusion"):
        result = embed(tmp_path, tmp_path / "lacks", in_process(), on_bad_rows="absent")
    assert (result.n_rows, result.n_failed) == (10, 0) and verify_job(tmp_path / "lacks") == []
    assert [r.getMessage().split(":")[0] for r in caplog.records] == [
        f"2.{suffix} has no column back"
    ]
    assert embed(tmp_path, tmp_path / "lacks", in_process(), on_bad_rows="absent").n_already == 4
    write(tmp_path, f"2.{suffix}", second.assign(back=None))
    embed(tmp_path, tmp_path / "blank", in_process(), on_bad_rows="absent")
    lacks, blank = (read_embeddings(tmp_path / name, "image") for name in ("lacks", "blank"))
    assert lacks.ids == list("abcdefghij") and (lacks.vectors == blank.vectors).all()


def test_an_id_that_a_file_lacks_is_refused(tmp_path, in_process):
    write(tmp_path, "1.csv", pd.DataFrame({"id": ["a"], "photo": ["0.png"], "back": ["0.png"]}))
    write(tmp_path, "2.csv", pd.DataFrame({"photo": ["0.png"], "back": ["0.png"]}))
    (tmp_path / "photos").mkdir()
    with pytest.raises(CatalogueError, match="column id"):
        embed(tmp_path, tmp_path / "job", in_process(), on_bad_rows="absent")
