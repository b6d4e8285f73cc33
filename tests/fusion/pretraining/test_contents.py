import numpy as np
import pytest

from fusion.pretraining import join_contents, read_contents


@pytest.fixture
def encoders(tiny_encoders):
    return tiny_encoders("text", "image")


def test_equal_contents_are_read_once(encoders, photo):
    red, blue = photo((200, 0, 0)), photo((0, 0, 200))
    photos = read_contents(encoders["image"], [[red, blue], None, [blue]])
    assert photos.places == [[0, 1], [], [1]]
    assert len(photos.keys) == 2 and sorted(photos.held) == [0, 1]
    texts = read_contents(encoders["text"], ["a  coat", None, "a coat", ""])
    assert texts.places == [[0], [], [0], []]


def test_a_value_that_cannot_be_read_fails_alone(encoders, photo):
    red = photo((200, 0, 0))
    found = read_contents(encoders["image"], [[red], [red, red[:60]], [b"no photo"], None])
    assert sorted(found.failures) == [1, 2]
    assert "complete" in str(found.failures[1]) and "JPEG" in str(found.failures[2])
    assert found.places == [[0], [], [], []]


def test_a_text_that_cannot_be_read_fails_alone(encoders):
    found = read_contents(encoders["text"], ["a coat", "a\0coat"])
    assert list(found.failures) == [1] and "NUL" in str(found.failures[1])


def test_photos_beyond_the_limit_are_decoded_when_they_are_needed(encoders, items):
    side = encoders["image"].preprocessing.crop
    all_held = read_contents(encoders["image"], items["image"][:6])
    some = read_contents(encoders["image"], items["image"][:6], max_bytes=2 * 3 * side * side)
    assert len(all_held.held) == 6 and len(some.held) == 2
    for expected, found in zip(all_held.take([5, 0, 1]), some.take([5, 0, 1]), strict=True):
        assert np.array_equal(expected, found)


def test_a_photo_that_is_gone_when_it_is_needed_is_an_error(encoders, photo, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(photo((200, 0, 0)))
    found = read_contents(encoders["image"], [[path]], max_bytes=0)
    path.unlink()
    with pytest.raises(ValueError, match=r"must exist, got 'a\.png'"):
        found.take([0])


def test_a_photo_that_is_replaced_between_its_hash_and_its_pixels_fails(
    encoders, photo, tmp_path, monkeypatch
):
    path = tmp_path / "a.png"
    path.write_bytes(photo((200, 0, 0)))
    read = encoders["image"].read

    def replaced(parts):
        path.write_bytes(photo((0, 0, 200)))
        return read(parts)

    monkeypatch.setattr(encoders["image"], "read", replaced)
    found = read_contents(encoders["image"], [[path], [photo((90, 90, 90))]])
    assert {row: error.code for row, error in found.failures.items()} == {0: "changed"}
    assert found.places == [[], [1]]


def test_a_photo_that_is_another_one_when_it_is_needed_is_an_error(encoders, photo, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(photo((200, 0, 0)))
    found = read_contents(encoders["image"], [[path]], max_bytes=0)
    path.write_bytes(photo((0, 0, 200)))
    with pytest.raises(ValueError, match=r"must stay as it is .* got another 'a\.png'"):
        found.take([0])


def test_every_distinct_content_is_one_step_of_the_bar(encoders, works):
    read_contents(encoders["text"], ["a coat", "a coat", "a hat"], stage=works)
    works.check()
    assert [(w.name, w.total, w.unit) for w in works.opened] == [("reading text", 2, "texts")]


@pytest.fixture
def rows(encoders, photo):
    red, blue, grey = photo((200, 0, 0)), photo((0, 0, 200)), photo((90, 90, 90))
    values = {
        "text": ["a coat", "a hat", "a hat", None, "a sock", "a coat"],
        "image": [[red, blue], [blue], [blue], [grey], None, [red]],
    }
    contents = {name: read_contents(encoders[name], values[name]) for name in values}
    return join_contents(contents, range(6))


def test_rows_are_the_distinct_pairs_of_a_text_and_a_photo(rows):
    assert rows.places.tolist() == [[0, 0], [0, 1], [1, 1]]
    assert rows.of("image").tolist() == [0, 1, 1]
    assert rows.lengths.tolist() == [7, 7, 6]  # [CLS], a letter each, [SEP]


def test_rows_that_share_contents_directly_or_through_others_are_one_group(encoders, rows, photo):
    assert len(set(rows.groups.tolist())) == 1
    values = {"text": ["a", "b", "b", "c"], "image": [[photo((n, 0, 0))] for n in (1, 2, 3, 1)]}
    contents = {name: read_contents(encoders[name], values[name]) for name in values}
    first, second, third, fourth = join_contents(contents, range(4)).groups
    assert first == fourth != second == third


def test_equal_texts_and_photos_stay_on_one_side_of_the_split(encoders, photo):
    values = {
        "text": [f"coat {number // 2}" for number in range(60)],
        "image": [[photo((4 * (number // 3), 0, 0))] for number in range(60)],
    }
    contents = {name: read_contents(encoders[name], values[name]) for name in values}
    rows = join_contents(contents, range(60))
    train, validation = rows.split(share=0.2, seed=0)
    assert len(train) + len(validation) == len(rows) and 8 <= len(validation) <= 16
    for modality in values:
        assert not {*rows.of(modality)[train]} & {*rows.of(modality)[validation]}


def test_the_fingerprint_follows_from_contents_and_order(encoders):
    def fingerprint(*texts):
        return join_contents(
            {"text": read_contents(encoders["text"], texts)}, range(len(texts))
        ).fingerprint

    assert fingerprint("a", "b") == fingerprint("a ", "b", "a")
    assert fingerprint("a", "b") != fingerprint("b", "a") != fingerprint("b", "c")


def test_photos_alone_have_no_lengths(encoders, items):
    contents = {"image": read_contents(encoders["image"], items["image"][:4])}
    assert join_contents(contents, [0, 2]).lengths.tolist() == [0, 0]
