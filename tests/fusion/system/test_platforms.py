"""What is refused on Windows is refused at once; the rest works without what Windows lacks."""

import sys

import pytest

from fusion import ConfigError
from fusion.job_steps import cost
from fusion.job_steps.config import TrainConfig
from fusion.jobs.train import train
from fusion.shards import DataPaths, embed_catalogue, job_status
from fusion.system import platforms
from fusion.system.files import write_atomically


@pytest.fixture
def windows(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert platforms.is_windows()


def test_files_are_written_where_folders_cannot_be_opened(windows, monkeypatch, tmp_path):
    def refused(*_):
        raise PermissionError("a folder")

    monkeypatch.setattr("fusion.system.files.os.open", refused)
    write_atomically(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(PermissionError):  # elsewhere the folder is synced
        write_atomically(tmp_path / "other", b"content")


def test_embedding_jobs_and_their_status_are_refused_before_work(windows, tmp_path):
    message = "must run on Linux or macOS, got Windows"
    with pytest.raises(ConfigError, match=message):
        embed_catalogue(DataPaths(tmp_path / "items.csv"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match=message):
        job_status(tmp_path)


def test_comparing_tuned_encoders_is_refused_before_work(windows, tmp_path):
    asked = {
        "data": {"items": tmp_path / "items.csv"},
        "heads": [{"head": "sales_volume", "target": "units"}],
        "tuning": {"mode": "lora"},
    }
    with pytest.raises(ConfigError, match="must run on Linux or macOS, got Windows"):
        train(TrainConfig(**asked), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_cost_is_measured_without_the_module_that_windows_lacks(windows, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setattr(cost, "PROC", tmp_path)
    with cost.measured() as measured:
        pass
    assert measured.peak_gib == 0.0
    assert measured.seconds >= 0.0


def test_peak_memory_is_in_the_same_unit_on_linux_and_macos(monkeypatch, tmp_path):
    monkeypatch.setattr(cost, "PROC", tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    with cost.measured() as linux:
        pass
    monkeypatch.setattr(sys, "platform", "darwin")
    with cost.measured() as macos:
        pass
    assert macos.peak_gib == pytest.approx(linux.peak_gib / 1024, rel=0.05)
