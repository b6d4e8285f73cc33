"""Web addresses in photo columns: never fetched, whatever they point to and however written."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.children import Seen, seen_by
from benchmarks.promises.base import Outcome, Promise, Settings
from benchmarks.promises.paths import LINEAR, embed, fitted
from fusion import FusionRegressor
from fusion.choices.encoders import EncoderChoices
from fusion.shards import DataPaths, InProcessEngine, JobSettings, embed_catalogue

ADDRESSES = (
    "http://127.0.0.1/a.png",
    "http://127.1/a.png",
    "http://2130706433/a.png",
    "http://0x7f000001/a.png",
    "http://0177.0.0.1/a.png",
    "http://0/a.png",
    "http://localhost:80/a.png",
    "http://localhost.localdomain/a.png",
    "http://[::1]/a.png",
    "http://[::]/a.png",
    "http://[::ffff:127.0.0.1]/a.png",
    "http://[fe80::1%25eth0]/a.png",
    "http://[fd00:ec2::254]/latest/meta-data",
    "http://10.0.0.1/a.png",
    "http://172.16.0.1/a.png",
    "http://192.168.0.1/a.png",
    "http://100.64.0.1/a.png",
    "http://169.254.169.254/latest/meta-data",
    "http://169.254.170.2/v2/credentials",
    "http://metadata.google.internal/computeMetadata/v1",
    "http://metadata/a.png",
    "http://127.0.0.1.nip.io/a.png",
    "http://example.org@127.0.0.1/a.png",
    "http://127.0.0.1#@example.org/a.png",
    "http://127.0.0.1:6379/a.png",
    "http:127.0.0.1/a.png",
    "http:/127.0.0.1/a.png",
    "HTTP://127.0.0.1/a.png",
    " http://127.0.0.1/a.png",
    "https://127.0.0.1/a.png",
    "ftp://127.0.0.1/a.png",
    "gopher://127.0.0.1:6379/_INFO",
    "dict://127.0.0.1:11211/stats",
    "ldap://127.0.0.1/a",
    "sftp://127.0.0.1/a.png",
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "jar:http://127.0.0.1!/a.png",
    "s3://bucket/a.png",
    "gs://bucket/a.png",
    "data:image/png;base64,iVBORw0KGgo=",
    "//127.0.0.1/a.png",
    "\\\\127.0.0.1\\share\\a.png",
    "http://①②⑦.0.0.1/a.png",
    "https://example.org/a.png",
)
REFUSED = ("photo_url", "photo_outside", "photo_name")


def run(settings: Settings) -> Outcome:
    """Addresses in jobs, in training, in prediction, and where columns are looked for."""
    outcome = Outcome()
    photos = settings.folder / "photos"
    photos.mkdir()
    Image.new("RGB", (24, 24), "red").save(photos / "good.png")
    names = settings.some(ADDRESSES)
    _in_a_job(outcome, settings.folder, names)
    _in_a_model(outcome, photos, names)
    return outcome


def _table(path: Path, names: list[str]) -> Path:
    ids = [f"p{row}" for row in range(len(names))]
    pq.write_table(pa.table({"id": ids, "photo": names}), path)
    return path


def _in_a_job(outcome: Outcome, folder: Path, names: list[str]) -> None:
    items, photos = _table(folder / "items.parquet", names), folder / "photos"
    seen = seen_by(partial(embed, items, photos, folder / "out"))
    reasons: dict[int, str] = {}
    if seen.answer is None:
        errors = ds.dataset(folder / "out" / "errors").to_table().to_pylist()
        reasons = {error["row"]: error["reason"] for error in errors}
    for row, name in enumerate(names):
        wrong = "" if reasons.get(row) in REFUSED else f"the record says {reasons.get(row)}"
        outcome.case(f"job, {name}", _broken(seen) or wrong)
    some = _table(folder / "some.parquet", [*names, *["good.png"] * 200])

    def look() -> None:
        asked = JobSettings(encoders=EncoderChoices({"image": "colour_texture"}))
        embed_catalogue(DataPaths(some, photos), folder / "looked", asked, engine=InProcessEngine())

    outcome.case("columns are looked for", _broken(seen_by(look)))


def _in_a_model(outcome: Outcome, photos: Path, names: list[str]) -> None:
    model = fitted(photos)
    cells = [*names, *["good.png"] * 12]
    frame = pd.DataFrame({"photo": cells, "price": np.arange(float(len(cells)))})

    def fit() -> None:
        again = FusionRegressor(photos=photos, **LINEAR)
        again.fit(frame, np.arange(float(len(cells))))

    def predict() -> Any:
        return (model.predict_table(frame)["error"] != "").tolist()

    trained, asked = seen_by(fit), seen_by(predict)
    for row, name in enumerate(names):
        outcome.case(f"training, {name}", _broken(trained))
        taken = isinstance(asked.answer, list) and not asked.answer[row]
        ended = "" if isinstance(asked.answer, list) else str(asked.answer)
        outward = f"went out: {asked.outward[:3]}" if asked.outward else ""
        wrong = "the row was taken for a good one" if taken else ""
        outcome.case(f"prediction, {name}", outward or ended or wrong)


def _broken(seen: Seen) -> str:
    if seen.outward:
        return f"went out: {seen.outward[:3]}"
    return "" if seen.answer is None else f"ended with {seen.answer}"


PROMISE = Promise("web addresses are never fetched", run)
