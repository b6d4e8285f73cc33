"""Jobs without workers: by wish, and by themselves where no process can be started."""

import multiprocessing
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from fusion.errors import ConfigError, JobError
from fusion.jobs.embed import engine_of
from fusion.shards import InProcessEngine, pool, run, spawning, verify_job
from fusion.shards.embedder import Embedder

ROOT = Path(__file__).parents[3]


def test_a_job_in_this_process_gives_what_any_engine_gives(tmp_path, text_job, files_of):
    job = text_job(tmp_path, rows=40, shard_rows=10)
    job.run(tmp_path / "plain")
    result = job.run(tmp_path / "out", engine=InProcessEngine())
    assert (result.n_rows, result.n_failed, result.failed_shards) == (40, 3, {})
    assert files_of(tmp_path / "out") == files_of(tmp_path / "plain")
    assert verify_job(tmp_path / "out") == []


def test_a_stopped_job_goes_on_in_this_process(tmp_path, text_job, monkeypatch, files_of):
    job = text_job(tmp_path, rows=40, shard_rows=10)
    done, original = [], run.run_shard

    def stop(folder, number, **options):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(number)
        return original(folder, number, **options)

    with monkeypatch.context() as patch:
        patch.setattr("fusion.shards.run.run_shard", stop)
        with pytest.raises(KeyboardInterrupt):
            job.run(tmp_path / "out", engine=InProcessEngine())
    result = job.run(tmp_path / "out", engine=InProcessEngine())
    assert result.n_already == 2
    job.run(tmp_path / "plain")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "plain")


def test_a_row_that_raises_is_found_and_the_others_go_on(tmp_path, photo_job, monkeypatch):
    job = photo_job(tmp_path, rows=12, shard_rows=6, marks={8: b"poison"})
    prepare = Embedder.prepare

    def poisoned(self, catalogue, **options):
        if any(b"poison" in value.read_bytes() for value in photos_of(catalogue)):
            raise ZeroDivisionError("a decoder")
        return prepare(self, catalogue, **options)

    monkeypatch.setattr(Embedder, "prepare", poisoned)
    result = job.run(tmp_path / "out", engine=InProcessEngine())
    assert (result.n_failed, result.failed_shards) == (1, {})
    assert "worker_error" in result.state


def photos_of(catalogue):
    return [Path(photo) for photos in catalogue.values["image"] for photo in photos or []]


def test_what_stops_a_job_stops_it_here_too(tmp_path, text_job):
    job = text_job(tmp_path, rows=20, shard_rows=10)

    class Late(InProcessEngine):
        def run(self, folder, shards, log):
            job.paths.items.unlink()
            return super().run(folder, shards, log)

    with pytest.raises(JobError, match=r"items\.csv"):
        job.run(tmp_path / "out", engine=Late())


def test_no_workers_are_asked_for_by_the_number_0():
    options = {"gpus": 0, "address": None, "stall_s": 1.0}
    assert isinstance(engine_of("local", 0, **options), InProcessEngine)
    with pytest.raises(ConfigError, match="--workers must be at least 1 with --engine ray, got 0"):
        engine_of("ray", 0, **options)


def test_a_time_that_is_no_number_is_refused():
    with pytest.raises(ConfigError, match="stall seconds must be positive and finite, got nan"):
        engine_of("local", None, gpus=0, address=None, stall_s=float("nan"))


def _reason(pipe):
    pipe.send(spawning.why_no_workers())


@pytest.mark.parametrize("daemon", [False, True])
def test_a_daemonic_process_has_no_workers(daemon):
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_reason, args=(theirs,), daemon=daemon)
    process.start()
    assert ours.recv().startswith("this is a daemonic process") is daemon
    process.join()


GUARDED = ["if __name__ == '__main__':", "if '__main__' == __name__ and True:"]
PLAIN = ["if True:", "for _ in range(1):", "if __name__ == '__main__' or True:"]
IN_ELSE = "if __name__ != '__main__':\n    pass\nelse:"


@pytest.mark.parametrize(
    ("start", "can"),
    [*((start, True) for start in GUARDED), *((start, False) for start in [*PLAIN, IN_ELSE])],
)
def test_a_call_outside_the_main_part_of_a_script_is_seen(tmp_path, monkeypatch, start, can):
    script = tmp_path / "shop.py"
    script.write_text(
        f"def main():\n    return why()\n\n{start}\n    number = 1\n    answer = main()\n"
    )
    module = type(sys)("__main__")
    module.__file__, module.why = str(script), spawning.why_no_workers
    monkeypatch.setitem(sys.modules, "__main__", module)
    exec(compile(script.read_text(), str(script), "exec"), vars(module))
    if can:
        assert module.answer == ""
    else:
        assert "of shop.py calls this outside `if __name__ == '__main__':`" in module.answer


def test_a_script_from_standard_input_has_no_workers(monkeypatch):
    module = type(sys)("__main__")
    module.__file__ = "<stdin>"
    monkeypatch.setitem(sys.modules, "__main__", module)
    assert spawning.why_no_workers() == "the script <stdin> is no file that a worker could import"


def test_without_workers_there_is_one_warning_and_the_same_output(
    tmp_path, text_job, monkeypatch, files_of
):
    job = text_job(tmp_path, rows=20, shard_rows=10)
    job.run(tmp_path / "plain")
    monkeypatch.setattr(pool, "why_no_workers", lambda: "so it is")
    with pytest.warns(UserWarning, match="workers cannot be started here: so it is") as told:
        job.run(tmp_path / "out", engine=pool.LocalEngine())
    assert len(told) == 1
    assert files_of(tmp_path / "out") == files_of(tmp_path / "plain")


@pytest.mark.slow
def test_the_first_block_of_the_page_runs_as_a_script(tmp_path):
    page = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
    block = page.split("```python\n")[1].split("```")[0]
    (tmp_path / "shop.py").write_text(textwrap.dedent(block))
    done = subprocess.run(
        [sys.executable, "shop.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("workers cannot be started here") == 1
