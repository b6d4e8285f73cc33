import gzip
import io
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fusion.data import Schema, build_catalogue, frames, header, read_table, write_table
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
    for name in ("items.xlsx", "items.json", "items.parquet.gz", "items.gz", "items"):
        with pytest.raises(CatalogueError, match=r"must end in \.csv, .*Save it as CSV"):
            read_table(written(tmp_path, b"x", name))
    for name, kind in {"a.feather": "Feather", "a.parquet": "Parquet", "a.csv.gz": "gzip"}.items():
        with pytest.raises(CatalogueError, match=f"{name} must be a {kind}"):
            read_table(written(tmp_path, b"\x1f\x8bno", name))
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
        values = build_catalogue(
            again, Schema(columns={"numeric": ("x", "n")}), photos=None
        ).values["numeric"]
        np.testing.assert_array_equal(values["x"], frame["x"])
        assert values["n"].tolist() == [1, -2]
        assert again["id"].tolist() == ["007", "8"]
        assert again["t"].fillna("").tolist() == frame["t"].tolist()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv", "t.parquet"]


def test_cells_come_back_as_they_went_in(tmp_path: Path) -> None:
    ids = ["-A12", "=1+1", "+49 1", "@home", " B 7 ", "\t8", "007", "'x", "a\nb", "\r9"]
    frame = pd.DataFrame({"item_id": ids, "=head": [f"{text}!" for text in ids]})
    for name in ("t.csv", "t.parquet"):
        write_table(frame, tmp_path / name)
        again = read_table(tmp_path / name)
        assert again["item_id"].tolist() == ids
        assert again["=head"].tolist() == frame["=head"].tolist()
    assert pd.read_csv(tmp_path / "t.csv", dtype=str)["item_id"][0] == "-A12"


def test_formulas_are_disarmed_in_the_columns_that_ask_for_it_alone(tmp_path: Path) -> None:
    armed = ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1"]
    note = pd.Series([*armed, "-5", "-1.5e3", "-12,5", "a=b", None], dtype=object)
    frame = pd.DataFrame({"id": note, "note": note, "n": [-1.5] * 12})
    write_table(frame, tmp_path / "t.csv", formula_safe=["note"])
    again = read_table(tmp_path / "t.csv")
    assert again["note"].tolist()[:7] == [f"'{text}" for text in armed]
    assert again["note"].tolist()[7:] == ["-5", "-1.5e3", "-12,5", "a=b", None]
    assert again["id"].tolist() == note.tolist()
    assert again["n"].tolist() == ["-1.5"] * 12
    assert frame["note"].equals(note)


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


LINES = ["id#price#title", 'A1#12,90#"a; b, c"', "A2#7,50#-", "A3#1,00#x | y"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.CSV.gz"])
def test_the_delimiter_of_a_file_is_found(tmp_path: Path, name: str, delimiter: str) -> None:
    lines = [line.replace("12,90", '"12,90"').replace("7,50", '"7,50"') for line in LINES]
    lines = [line.replace("1,00", '"1,00"').replace("x | y", '"x | y"') for line in lines]
    text = "\r\n".join(line.replace("#", delimiter) for line in lines).encode("utf-8-sig")
    path = written(tmp_path, gzip.compress(text) if name.endswith("gz") else text, name)
    frame = read_table(path)
    assert list(frame.columns) == ["id", "price", "title"]
    assert frame["price"].tolist() == ["12,90", "7,50", "1,00"]
    assert frame["title"].tolist() == ["a; b, c", "-", "x | y"]


def test_decimal_commas_do_not_hide_a_semicolon(tmp_path: Path) -> None:
    frame = read_table(written(tmp_path, "id;price, EUR;stock\nA;12,90;3\nB;1.200,50;4\nC;7;5\n"))
    assert list(frame.columns) == ["id", "price, EUR", "stock"]
    assert frame["price, EUR"].tolist() == ["12,90", "1.200,50", "7"]
    plain = read_table(written(tmp_path, "id,words\nA,a;b\nB,c|d\n"))
    assert plain["words"].tolist() == ["a;b", "c|d"]


def test_a_delimiter_that_could_be_two_must_be_named(tmp_path: Path) -> None:
    path = written(tmp_path, "id;price, EUR\nA;12,90\nB;7,50\n")
    with pytest.raises(CatalogueError, match=r"',' \(2 columns\) and ';' \(2 columns\).*Name it"):
        read_table(path)
    assert read_table(path, delimiter=";")["price, EUR"].tolist() == ["12,90", "7,50"]
    assert list(read_table(path, delimiter=",").columns) == ["id;price", " EUR"]


def test_any_ascii_character_can_be_named_as_delimiter(tmp_path: Path) -> None:
    path = written(tmp_path, "a^b\n1^x\n")
    assert list(read_table(path, delimiter="^").columns) == ["a", "b"]
    for wrong in ("", ";;", '"', "\n", "§"):
        with pytest.raises(ValueError, match="delimiter must be one character"):
            read_table(path, delimiter=wrong)
    with pytest.raises(CatalogueError, match="delimiter must be left out"):
        read_table(written(tmp_path, b"", "a.parquet"), delimiter=";")


def test_lines_of_the_wrong_length_are_named_with_their_delimiter(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="line 3 must have 2 cells, got 3: '1;2;3'"):
        read_table(written(tmp_path, "a;b\n1;2\n1;2;3\n"))


def test_empty_columns_at_the_end_of_a_spreadsheet_are_left_out(tmp_path: Path) -> None:
    frame = read_table(written(tmp_path, "a,b,,,\n1,2,,,\n3,4,,,\n"))
    assert list(frame.columns) == ["a", "b"]
    assert list(read_table(written(tmp_path, "a,b,\n1,2,\n3,4,x\n")).columns) == [
        "a",
        "b",
        "unnamed",
    ]
    with pytest.raises(CatalogueError, match="column unnamed: must be the name of one column"):
        read_table(written(tmp_path, "a,b,,,\n1,2,,,\n3,4,x,,y\n"))


def test_json_lines_keep_the_type_of_every_cell(tmp_path: Path) -> None:
    text = """{"id": "007", "n": 9007199254740993, "day": "2024-01-31"}

{"id": "8", "price": 1.5, "n": null, "tags": ["a"], "on": true}
"""
    for name, data in {
        "a.jsonl": text.encode(),
        "a.jsonl.gz": gzip.compress(text.encode()),
    }.items():
        frame = read_table(written(tmp_path, data, name))
        assert frame["id"].tolist() == ["007", "8"]
        assert frame["n"].tolist() == [9007199254740993, None]
        assert frame["day"].tolist() == ["2024-01-31", None]
        assert frame["price"].tolist() == [None, 1.5]
        assert frame["on"].tolist() == [None, True]


def test_json_lines_that_are_no_objects_are_all_named(tmp_path: Path) -> None:
    path = written(tmp_path, '{"a": 1}\n[1]\n{"a": \n{"a": 1, "a": 2}\n', "a.jsonl")
    with pytest.raises(CatalogueError) as caught:
        read_table(path)
    message = str(caught.value)
    assert "line 2 must be a JSON object, got [1]" in message
    assert "line 3 must be a JSON object, got '{\"a\":'" in message
    assert "line 4 must be a JSON object, got the key 'a' twice" in message


def test_feather_is_read_like_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["007", "8"], "n": pd.array([2**60 + 1, None], dtype="Int64")})
    frame.to_feather(tmp_path / "a.feather")
    again = read_table(tmp_path / "a.feather")
    assert again["id"].tolist() == ["007", "8"]
    assert again["n"][0] == 2**60 + 1


def test_a_parquet_table_of_text_that_is_not_utf8_is_refused_by_name(tmp_path: Path) -> None:
    wrong = pa.array([b"caf\xe9"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"id": wrong}), tmp_path / "a.parquet")
    with pytest.raises(CatalogueError, match=r"a\.parquet must be a Parquet table: .*UTF8"):
        read_table(tmp_path / "a.parquet")


def test_index_levels_of_a_saved_frame_are_columns(tmp_path: Path) -> None:
    frame = pd.DataFrame({"sku": ["007", "8"], "shop": ["a", "b"], "price": [1.0, 2.0]})
    frame.set_index(["sku", "shop"]).to_parquet(tmp_path / "a.parquet")
    again = read_table(tmp_path / "a.parquet")
    assert list(again.columns) == ["sku", "shop", "price"]
    assert again["sku"].tolist() == ["007", "8"]
    frame[1:].to_parquet(tmp_path / "a.parquet")  # row numbers say nothing
    assert list(read_table(tmp_path / "a.parquet").columns) == ["sku", "shop", "price"]


@pytest.mark.parametrize("before", ["\n", "sep=;\n", "\r\n\r\n"])
def test_what_stands_before_the_header_line_is_named(tmp_path, before):
    (tmp_path / "items.csv").write_text(f"{before}id;price\nA;12,90\n", newline="")
    message = r"^items\.csv must begin with the header line, got '(sep=;)?'\. Delete what"
    with pytest.raises(CatalogueError, match=message):
        read_table(tmp_path / "items.csv")


def test_a_wrong_delimiter_is_told_once_and_not_for_each_line(tmp_path: Path) -> None:
    path = written(tmp_path, "id;price\nA1;12,90\nA2;13,50\n")
    with pytest.raises(CatalogueError, match="delimiter must stand in the header line, got ','"):
        read_table(path, delimiter=",")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "csv.gz", "jsonl", "parquet", "feather"])
def test_a_table_whose_name_is_no_utf8_is_read_and_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9." + suffix.encode())
    frame = pd.DataFrame({"id": ["a", "b"], "title": ["red", "blue"]})
    content = {
        "csv": frame.to_csv(index=False).encode(),
        "tsv": frame.to_csv(index=False, sep="\t").encode(),
        "csv.gz": gzip.compress(frame.to_csv(index=False).encode()),
        "jsonl": frame.to_json(orient="records", lines=True).encode(),
        "parquet": frame.to_parquet(index=False),
        "feather": feather_bytes(frame),
    }
    try:
        path.write_bytes(content[suffix])
    except OSError:
        pytest.skip("this file system has names in UTF-8 alone")
    assert read_table(path).to_dict("list") == frame.to_dict("list")
    path.write_bytes(b"\x00\xff")
    with pytest.raises(CatalogueError, match="caf\udce9"):
        read_table(path)


def feather_bytes(frame: pd.DataFrame) -> bytes:
    content = io.BytesIO()
    frame.to_feather(content)
    return content.getvalue()


@pytest.mark.parametrize("kind", ["csv", "empty names", "jsonl"])
def test_more_columns_than_can_be_read_are_refused_by_their_number(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(header, "MAX_COLUMNS", 50)
    rows = {
        "csv": ",".join(f"c{place}" for place in range(51)),
        "empty names": "a" + "," * 50,
        "jsonl": "\n".join(json.dumps({f"c{place}": 1}) for place in range(51)),
    }
    path = written(tmp_path, f"{rows[kind]}\n", "items.jsonl" if kind == "jsonl" else "items.csv")
    with pytest.raises(CatalogueError, match=r"must have at most 50 columns, got 51\."):
        read_table(path)
    with pytest.raises(CatalogueError, match=r"must have at most 50 columns, got 51\."):
        frames.as_frame(np.zeros((1, 51)))
