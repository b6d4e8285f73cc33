"""A job that is refused while it is planned leaves nothing of itself behind."""

from dataclasses import replace

import pytest

from fusion.errors import CatalogueError, FusionError, JobError


def refused_by_a_column(job):
    return replace(job, settings=replace(job.settings, columns={"text": ["titel"]}))


def refused_by_an_empty_table(job):
    job.paths.items.write_text("id,title\n")
    return job


def refused_by_two_names(job):
    job.paths.items.write_text("id,id\n1,2\n")
    return job


@pytest.mark.parametrize(
    "wrong", [refused_by_a_column, refused_by_an_empty_table, refused_by_two_names]
)
def test_no_folder_is_left_by_a_job_whose_plan_was_refused(wrong, tmp_path, text_job):
    job = wrong(text_job(tmp_path / "in", rows=5, shard_rows=5))
    with pytest.raises(FusionError):
        job.run(tmp_path / "new" / "jobs" / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_folder_that_was_there_before_stays_with_what_lies_in_it(tmp_path, text_job):
    job = refused_by_a_column(text_job(tmp_path / "in", rows=5, shard_rows=5))
    output = tmp_path / "out"
    output.mkdir()
    with pytest.raises(CatalogueError):
        job.run(output)
    assert [p.name for p in output.iterdir() if p.name[0] != "."] == []
    (output / "notes.txt").write_text("mine")
    with pytest.raises(JobError):
        job.run(output)
    assert [p.name for p in output.iterdir() if p.name[0] != "."] == ["notes.txt"]


def test_a_stopped_job_that_is_planned_stays(tmp_path, text_job, in_process):
    class Stopped(in_process):
        def run(self, folder, shards, log):
            raise KeyboardInterrupt

    job = text_job(tmp_path / "in", rows=5, shard_rows=5)
    with pytest.raises(KeyboardInterrupt):
        job.run(tmp_path / "out", engine=Stopped())
    assert (tmp_path / "out" / "plan.json").is_file()
