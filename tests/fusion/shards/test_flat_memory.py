"""Memory of a job does not grow with its rows; benchmarks/promises/memory.py does a million."""

import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.promises.bad_rows import encoded, noise
from fusion.choices.encoders import EncoderChoices
from fusion.shards import DataPaths, InProcessEngine, JobSettings, embed_catalogue

SHARD_ROWS = 10


PADDING = 500_000
"""Bytes behind the end of each photo, which decoders skip."""


def peak_of_a_job(folder, *, n_rows):
    """Most megabytes that Python and NumPy held at a time."""
    items = folder / f"{n_rows}.parquet"
    photo = encoded(noise(0), "PNG")
    photos = [photo + n.to_bytes(4) * (PADDING // 4) for n in range(n_rows)]
    rows = {"id": [f"p{n}" for n in range(n_rows)], "photo": photos}
    pq.write_table(pa.table(rows), items, row_group_size=SHARD_ROWS)
    asked = JobSettings(
        encoders=EncoderChoices({"image": "colour_texture"}),
        columns={"id": ["id"], "image": ["photo"]},
        shard_rows=SHARD_ROWS,
    )
    del rows, photos
    tracemalloc.start()
    try:
        embed_catalogue(DataPaths(items), folder / f"out{n_rows}", asked, engine=InProcessEngine())
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def test_a_job_of_many_more_rows_needs_no_more_memory(tmp_path):
    peak_of_a_job(tmp_path, n_rows=10)  # what is imported late is imported now
    few, many = (peak_of_a_job(tmp_path, n_rows=n) for n in (100, 200))
    assert many - few < 10  # one that held all would hold 50 more
