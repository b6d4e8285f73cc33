"""Whatever is changed in a ledger is found, and told by entry."""

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fusion.errors import LedgerError
from fusion.forecasting.ledger.chain import LEDGER, check_noted, read_ledger
from fusion.forecasting.ledger.entries import NOTHING_BEFORE, line_of, parse_line
from fusion.system.documents import sealed

A_BYTE = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def lines_of(folder):
    return (folder / LEDGER).read_bytes().splitlines(keepends=True)


def test_each_entry_holds_the_hash_of_the_one_before(ledger):
    entries = read_ledger(ledger).entries
    assert [one.entry.number for one in entries] == [1, 2, 3]
    before = [NOTHING_BEFORE, entries[0].sha256, entries[1].sha256]
    assert [one.entry.before for one in entries] == before
    assert read_ledger(ledger).last_hash == entries[-1].sha256
    assert read_ledger(ledger).notes == []


def test_a_line_is_canonical_json_that_begins_with_its_hash(ledger):
    line = lines_of(ledger)[0].rstrip(b"\n")
    document = json.loads(line)
    assert next(iter(document)) == "sha256" and list(document)[1:] == sorted(list(document)[1:])
    assert line_of(parse_line(line).entry) == line


@A_BYTE
@given(place=st.integers(0, 10**6), by=st.integers(1, 255))
def test_any_byte_of_the_lines_that_is_changed_is_found(ledger, changed_byte, place, by):
    with changed_byte(ledger / LEDGER, place, by), pytest.raises(LedgerError):
        read_ledger(ledger)
    assert len(read_ledger(ledger).entries) == 3


@A_BYTE
@given(number=st.integers(1, 3), place=st.integers(0, 10**6), by=st.integers(1, 255))
def test_any_byte_of_answers_that_is_changed_is_found(ledger, changed_byte, number, place, by):
    file = ledger / "answers" / f"{number:06}.parquet"
    said = rf"{file.name} of entry {number} .*bytes that were sealed"
    with changed_byte(file, place, by), pytest.raises(LedgerError, match=said):
        read_ledger(ledger)


def test_the_end_of_the_last_line_is_a_byte_as_any_other(ledger, changed_byte):
    with changed_byte(ledger / LEDGER, -1, 1), pytest.raises(LedgerError, match="line 3"):
        read_ledger(ledger)


def test_lines_in_another_order_are_found(ledger):
    first, second, third = lines_of(ledger)
    (ledger / LEDGER).write_bytes(second + first + third)
    with pytest.raises(LedgerError, match=r"line 1 .* must be entry 1, got entry 2"):
        read_ledger(ledger)


@pytest.mark.parametrize("place", [0, 1])
def test_a_line_that_was_taken_out_is_found(ledger, place):
    lines = lines_of(ledger)
    del lines[place]
    (ledger / LEDGER).write_bytes(b"".join(lines))
    with pytest.raises(LedgerError, match=f"line {place + 1} .* must be entry {place + 1}, got"):
        read_ledger(ledger)


def test_last_lines_that_were_taken_out_are_found_by_their_answers(ledger):
    (ledger / LEDGER).write_bytes(lines_of(ledger)[0])
    with pytest.raises(LedgerError, match=r"000003\.parquet, which no entry names"):
        read_ledger(ledger)


def test_an_entry_that_was_written_anew_with_a_fitting_hash_breaks_the_chain(ledger):
    first, second, third = lines_of(ledger)
    forged = json.loads(first)
    del forged["sha256"]
    forged["made"] = "2020-01-01T00:00:00+00:00"
    line = sealed(json.dumps(forged, sort_keys=True, separators=(",", ":")).encode())
    (ledger / LEDGER).write_bytes(line + b"\n" + second + third)
    with pytest.raises(LedgerError, match="entry 2 must follow one with the hash"):
        read_ledger(ledger)


def test_answers_that_are_gone_are_told_with_their_entry(ledger):
    (ledger / "answers" / "000002.parquet").unlink()
    said = r"000002\.parquet of entry 2 \(as of 2024-04-01\): No such file"
    with pytest.raises(LedgerError, match=said):
        read_ledger(ledger)


def test_many_differences_are_one_message(ledger):
    (ledger / LEDGER).write_bytes(b"x\n" * 9)
    with pytest.raises(LedgerError) as caught:
        read_ledger(ledger)
    assert re.search("got 9 differences:", str(caught.value))
    assert str(caught.value).count("\n  - ") == 5 and "and 4 more" in str(caught.value)


def test_a_noted_hash_is_looked_for(ledger):
    found = read_ledger(ledger)
    assert check_noted(found, f" {found.entries[1].sha256.upper()} ") == 2
    with pytest.raises(LedgerError, match="noted hash, got none with 0000"):
        check_noted(found, NOTHING_BEFORE)
    with pytest.raises(LedgerError, match=r"must be 64 characters .* Give the whole hash"):
        check_noted(found, found.entries[1].sha256[:10])


def test_a_folder_that_is_not_there_is_a_ledger_without_entries(tmp_path):
    found = read_ledger(tmp_path / "none")
    assert found.entries == () and found.last_hash == NOTHING_BEFORE and not found.notes
