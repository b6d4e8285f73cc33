"""A table that is replaced and put back leaves no trace: each shard knows what it has read."""

import os
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from encoders.text.tiny_bert import tiny_checkpoint
from fusion.choices.encoders import EncoderChoices
from fusion.cli import app
from fusion.errors import CatalogueError, JobError
from fusion.progress import Work
from fusion.shards import (
    DataPaths,
    InProcessEngine,
    JobSettings,
    embed_catalogue,
    job_status,
    missing_shards,
    plan_catalogue,
    planning,
    read_embeddings,
    run_shard,
    verify_job,
    why_not_compared,
)
from fusion.shards.layout import Layout
from fusion.shards.pool import LocalEngine

N_ROWS, SHARD_ROWS = 40, 10


@dataclass
class Shop:
    """A table, another of the same length, and a job over the first."""

    items: Path
    first: bytes
    other: bytes

    settings = JobSettings(
        encoders=EncoderChoices({"text": str(tiny_checkpoint())}),
        columns={"id": ["id"], "text": ["title"], "image": []},
        shard_rows=SHARD_ROWS,
    )

    def put(self, content: bytes) -> None:
        """Replaces the table by one of the same size and change time."""
        status = self.items.stat()
        self.items.write_bytes(content)
        os.utime(self.items, ns=(status.st_atime_ns, status.st_mtime_ns))

    def run(self, output: Path, *, engine: Any = None) -> Any:
        paths = DataPaths(self.items)
        return embed_catalogue(paths, output, self.settings, engine=engine or InProcessEngine())


def table_of(path: Path, *, word: str) -> bytes:
    """Rows whose titles hold a word, as CSV or in Parquet row groups of two shards."""
    ids = [f"p{row}" for row in range(N_ROWS)]
    titles = [f"{word} item {row:02}" for row in range(N_ROWS)]
    if path.suffix == ".csv":
        lines = [f"{name},{title}" for name, title in zip(ids, titles, strict=True)]
        path.write_text("\n".join(["id,title", *lines, ""]))
    else:
        options = {"use_dictionary": False, "compression": "none", "write_statistics": False}
        pq.write_table(pa.table({"id": ids, "title": titles}), path, row_group_size=20, **options)
    return path.read_bytes()


@pytest.fixture(params=["csv", "parquet"])
def shop(request: Any, tmp_path: Path) -> Shop:
    items = tmp_path / f"items.{request.param}"
    other, first = table_of(items, word="blue"), table_of(items, word="wool")
    assert len(first) == len(other) and first != other
    return Shop(items, first, other)


REFUSED = r"^items must be the table .* got other content \(items\.\w+, rows 11 to 20\)\. Put that"


def test_rows_of_another_table_are_refused_and_leave_nothing_behind(
    tmp_path: Path, shop: Shop, files_of: Any
) -> None:
    class Replaced(InProcessEngine):
        def run(self, folder: Path, shards: Sequence[int], log: Any) -> dict[int, str]:
            super().run(folder, shards[:1], log)
            shop.put(shop.other)
            return super().run(folder, shards[1:], log)

    shop.run(tmp_path / "straight")
    output = tmp_path / "out"
    with pytest.raises(JobError, match=REFUSED):
        shop.run(output, engine=Replaced())
    assert missing_shards(output) == [1, 2, 3]
    assert not (output / "embeddings" / "part-000001.parquet").exists()
    shop.put(shop.first)
    assert shop.run(output).n_already == 1
    assert files_of(output) == files_of(tmp_path / "straight")


def test_a_table_that_is_put_back_within_one_run_costs_nothing(
    tmp_path: Path, shop: Shop, files_of: Any
) -> None:
    shop.run(tmp_path / "straight")
    output = tmp_path / "out"
    plan_catalogue(DataPaths(shop.items), output, shop.settings)
    run_shard(output, 0)
    shop.put(shop.other)
    with pytest.raises(JobError, match=REFUSED):
        run_shard(output, 1)
    shop.put(shop.first)
    for number in missing_shards(output):
        run_shard(output, number)
    assert shop.run(output).n_already == 4
    assert files_of(output) == files_of(tmp_path / "straight")


def test_a_table_that_is_replaced_while_workers_run_stops_the_job(
    tmp_path: Path, shop: Shop, files_of: Any, forked_pool: None
) -> None:
    output, places = tmp_path / "out", DataPaths(shop.items)

    def look(work: Work) -> None:
        if len(list((output / "receipts").iterdir())) == 1:
            shop.put(shop.other)

    def replaced(name: str, total: int, unit: str) -> Work:
        return Work(name, total, unit, look)

    shop.run(tmp_path / "straight")
    engine = LocalEngine(layout=Layout(1, 1))
    with pytest.raises(JobError, match=REFUSED):
        embed_catalogue(places, output, shop.settings, engine=engine, stage=replaced)
    shop.put(shop.first)
    assert embed_catalogue(places, output, shop.settings, engine=engine).n_already == 1
    assert files_of(output) == files_of(tmp_path / "straight")


def test_a_finished_job_is_not_that_of_another_table_of_the_same_size_and_time(
    tmp_path: Path, shop: Shop
) -> None:
    shop.run(tmp_path / "out")
    shop.put(shop.other)
    with pytest.raises(JobError, match=r"- input file items\.\w+: other content in rows 1 to 40\n"):
        shop.run(tmp_path / "out")


def test_shards_with_receipts_of_another_table_are_done_again(
    tmp_path: Path, shop: Shop, files_of: Any
) -> None:
    output = tmp_path / "out"
    shop.run(output)
    straight = files_of(output)
    shop.put(shop.other)
    shop.run(tmp_path / "other")
    shop.put(shop.first)
    (output / "manifest.json").unlink()
    for name in ("receipts/000002.json", "embeddings/part-000002.parquet"):
        shutil.copy(tmp_path / "other" / name, output / name)
    assert missing_shards(output) == [2]
    assert (job_status(output).n_done, job_status(output).n_answered) == (3, 30)
    assert verify_job(output)[0].startswith("shard 2 (rows 21 to 30) is not done")
    assert len(read_embeddings(output, "text").ids) == 30
    assert shop.run(output).n_already == 3
    assert files_of(output) == straight
    assert verify_job(output) == []


def test_a_table_that_changes_after_it_was_read_is_told_and_undoes_nothing(
    tmp_path: Path, shop: Shop
) -> None:
    class Replaced(InProcessEngine):
        def run(self, folder: Path, shards: Sequence[int], log: Any) -> dict[int, str]:
            failed = super().run(folder, shards, log)
            shop.items.write_bytes(shop.other)
            return failed

    output = tmp_path / "out"
    with pytest.raises(JobError, match="other content in rows 1 to 40"):
        shop.run(output, engine=Replaced())
    assert not (output / "manifest.json").exists()
    shop.put(shop.first)
    assert shop.run(output).n_already == 4
    assert verify_job(output) == []


def test_a_table_that_changes_while_it_is_planned_is_told(
    tmp_path: Path, shop: Shop, monkeypatch: Any
) -> None:
    cut_input = planning.cut_input

    def changing(*places: Path, **options: Any) -> Any:
        found = cut_input(*places, **options)
        shop.items.write_bytes(shop.other)
        return found

    monkeypatch.setattr(planning, "cut_input", changing)
    with pytest.raises(JobError, match="items must stay as they are while a job is planned"):
        shop.run(tmp_path / "out")


def test_verify_names_each_shard_that_the_table_at_hand_would_make_otherwise(
    tmp_path: Path, shop: Shop
) -> None:
    output = tmp_path / "out"
    shop.run(output)
    shop.put(shop.first.replace(b"wool item 25", b"wool item 52"))
    found = verify_job(output)
    of_group = [2, 3] if shop.items.suffix == ".parquet" else [2]  # which both shards read
    assert [problem.split(" than ")[1].split(" was ")[0] for problem in found] == [
        f"shard {number}" for number in of_group
    ]
    assert "other content in rows 21 to 30 than" in found[0]
    assert why_not_compared(output) == ""
    printed = CliRunner().invoke(app, ["verify", str(output)])
    assert printed.exit_code == 1 and "Whole" not in printed.output
    shop.put(shop.first)
    assert verify_job(output) == []


def test_verify_says_where_no_table_is_at_hand(tmp_path: Path, shop: Shop) -> None:
    output = tmp_path / "out"
    shop.run(output)
    shop.items.rename(tmp_path / "elsewhere")
    assert verify_job(output) == []
    assert why_not_compared(output) == f"not compared with the tables: {shop.items} is not there"
    printed = CliRunner().invoke(app, ["verify", str(output)])
    assert printed.exit_code == 0 and "Note: not compared" in printed.output
    (output / "paths.json").write_text("{}")
    assert "where they lie is not known" in why_not_compared(output)


def test_verify_names_tables_that_came_and_went(tmp_path: Path, shop: Shop) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    names = [f"{name}{shop.items.suffix}" for name in "abc"]
    for name in names[:2]:
        shutil.copy(shop.items, folder / name)
    replace(shop, items=folder).run(tmp_path / "out")
    (folder / names[1]).rename(folder / names[2])
    assert [problem.split(": put")[0] for problem in verify_job(tmp_path / "out")] == [
        f"input file {names[1]}: gone",
        f"input file {names[2]}: new",
    ]


def test_columns_that_change_places_under_the_same_rows_are_found(tmp_path: Path) -> None:
    items = tmp_path / "items.csv"
    first = table_of(items, word="wool")
    shop = Shop(items, first, first.replace(b"id,title", b"title,id"))
    plan_catalogue(DataPaths(items), tmp_path / "out", shop.settings)
    shop.put(shop.other)
    with pytest.raises(JobError, match="other content"):
        run_shard(tmp_path / "out", 3)


@pytest.mark.parametrize("name", ["items.csv", "items.parquet"])
def test_a_pipe_in_the_place_of_a_table_is_named_and_not_waited_for(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "tables" / name
    path.parent.mkdir()
    first = table_of(path, word="wool")
    shop, output = Shop(path.parent, first, first), tmp_path / "out"
    plan_catalogue(DataPaths(shop.items), output, shop.settings)
    path.unlink()
    os.mkfifo(path)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.alarm(10)
    try:
        with pytest.raises(CatalogueError, match="must be a regular file, got a pipe"):
            run_shard(output, 0)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
