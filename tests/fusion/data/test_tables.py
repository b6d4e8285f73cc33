import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fusion.data import Schema, as_frame, build_catalogue, read_table, write_table
from fusion.errors import CatalogueError


def written(folder: Path, data: bytes | str, name: str = "items.csv") -> Path:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def test_cells_keep_what_was_written(tmp_path: Path) -> None:
    text = (
        "id,ean,price,n,sale,word,gap\n"
        '007,4006381333931123,1.5,1,True,NA,\n008,1,,2,false,"a ""b"",\nc",NaN\n'
    )
    frame = read_table(written(tmp_path, text))
    assert frame["id"].tolist() == ["007", "008"]
    assert frame["ean"].tolist() == ["4006381333931123", "1"]
    assert frame["price"].tolist() == ["1.5", None]
    assert frame["n"].tolist() == ["1", "2"]
    assert frame["sale"].tolist() == ["True", "false"]
    assert frame["word"].tolist() == ["NA", 'a "b",\nc']
    assert frame["gap"].tolist() == [None, "NaN"]


def test_byte_order_mark_line_ends_and_a_missing_last_line_end_are_fine(tmp_path: Path) -> None:
    for text in ("\ufeffa,b\r\n1,2\r\n", "a,b\n1,2", "a,b\n\n1,2\n\n\n"):
        frame = read_table(written(tmp_path, text))
        assert frame.to_dict("list") == {"a": ["1"], "b": ["2"]}
    assert read_table(written(tmp_path, "a\n1\n\n3\n"))["a"].isna().tolist() == [False, True, False]
    assert len(read_table(written(tmp_path, "a,b"))) == 0


def test_a_bad_byte_is_named_by_file_line_and_place(tmp_path: Path) -> None:
    for mark in (b"", b"\xef\xbb\xbf"):
        path = written(tmp_path, mark + "a,b\n1,é\n2,caf".encode() + b"\xe9\n")
        with pytest.raises(CatalogueError, match=r"items.csv .* byte 0xe9 at line 3, byte 6 of"):
            read_table(path)


def test_all_rows_of_the_wrong_length_are_named_by_line(tmp_path: Path) -> None:
    path = written(tmp_path, 'a,b\n1,"x\ny"\n3\n\n4,5\n6,7,8\n')
    with pytest.raises(CatalogueError) as caught:
        read_table(path)
    assert "line 4 must have 2 cells, got 1" in str(caught.value)
    assert "line 7 must have 2 cells, got 3" in str(caught.value)


def test_an_open_quote_does_not_swallow_the_rest_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="line 3 must be a CSV row"):
        read_table(written(tmp_path, 'a,b\n1,2\n3,"x\n4,5\n6,7\n'))
    assert read_table(written(tmp_path, 'a,b\n1,5" pipe\n'))["b"].tolist() == ['5" pipe']


def test_ten_megabytes_in_one_cell_are_read(tmp_path: Path) -> None:
    frame = read_table(written(tmp_path, f'a,b\n1,"{"x" * 10_000_000}"\n'))
    assert len(frame["b"][0]) == 10_000_000
    with pytest.raises(CatalogueError, match="line 3 must have 2 cells"):
        read_table(written(tmp_path, f'a,b\n1,"{"x" * 1_000_000}"\n2\n'))


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(CatalogueError, match="empty file"):
        read_table(written(tmp_path, data))


def test_absent_foreign_and_damaged_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="must be a file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(CatalogueError, match=r"must end in .csv or .parquet"):
        read_table(written(tmp_path, b"x", "items.xlsx"))
    with pytest.raises(CatalogueError, match="must be a Parquet table"):
        read_table(written(tmp_path, b"PAR1 no", "items.parquet"))
    with pytest.raises(CatalogueError, match="column a: must be the name of one column"):
        read_table(written(tmp_path, b"a,b,a\n1,2,3\n"))


def test_a_table_survives_both_formats(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"id": ["007", "8"], "x": [0.1, np.nan], "n": [1, -2], "t": ["", 'a,"b"\nc']}
    )
    for name in ("t.csv", "t.parquet"):
        write_table(frame, tmp_path / name)
        again = read_table(tmp_path / name)
        values = build_catalogue(again, Schema(numeric=("x", "n")), photos=None).values["numeric"]
        np.testing.assert_array_equal(values["x"], frame["x"])
        assert values["n"].tolist() == [1, -2]
        assert again["id"].tolist() == ["007", "8"]
        assert again["t"].fillna("").tolist() == frame["t"].tolist()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv", "t.parquet"]


def test_formulas_are_disarmed_and_negative_numbers_are_not_changed(tmp_path: Path) -> None:
    armed = ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1"]
    frame = pd.DataFrame({"=head": [*armed, "-5", "-1.5e3", "a=b"], "n": [-1.5] * 10})
    write_table(frame, tmp_path / "t.csv")
    again = read_table(tmp_path / "t.csv")
    assert again["'=head"].tolist() == [*(f"'{cell}" for cell in armed), "-5", "-1.5e3", "a=b"]
    assert again["n"].tolist() == ["-1.5"] * 10


def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "a\n1\n")
    with pytest.raises(CatalogueError, match="cannot hold this table"):
        write_table(pd.DataFrame({"a": pd.Series(["\ud800"], dtype=object)}), path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_table(pd.DataFrame({"a": [2]}), path)
    assert path.read_text() == "a\n1\n"
    assert list(tmp_path.iterdir()) == [path]


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(CatalogueError, match="column 1: must be the name of one column"):
        as_frame(pd.DataFrame([[1, 2]], columns=pd.Index([1, "1"], dtype=object)))
