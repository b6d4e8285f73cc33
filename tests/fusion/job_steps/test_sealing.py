"""Tables are hashed as they were read."""

import hashlib

import pytest

from fusion.errors import CatalogueError
from fusion.job_steps.sealing import hashed


def test_hashes_are_those_of_the_bytes_that_are_read(tmp_path):
    (tmp_path / "items.csv").write_bytes(b"sku\n1\n")
    with hashed({"items": tmp_path / "items.csv", "market": None}) as found:
        pass
    assert found == {"items": hashlib.sha256(b"sku\n1\n").hexdigest()}


def test_a_folder_of_which_a_file_changes_while_it_is_read_is_refused(tmp_path):
    folder = tmp_path / "sales"
    folder.mkdir()
    (folder / "1.csv").write_bytes(b"a")
    with pytest.raises(CatalogueError, match=r"sales must stay as it is while it is read"):
        with hashed({"sales": folder}):
            (folder / "2.csv").write_bytes(b"b")


def test_what_cannot_be_read_is_left_to_its_reader(tmp_path):
    (tmp_path / "empty").mkdir()
    tables = {"items": tmp_path / "gone.csv", "sales": tmp_path / "empty"}
    with pytest.raises(KeyError), hashed(tables) as found:
        assert found == {}
        raise KeyError("the reader's own error")


def test_a_table_without_a_hash_is_not_sealed(tmp_path):
    with pytest.raises(CatalogueError, match=r"gone\.csv must stay as it is"):
        with hashed({"items": tmp_path / "gone.csv"}):
            pass
