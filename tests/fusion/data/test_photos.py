import os
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion.data import Schema, build_catalogue, infer_schema, photo_path
from fusion.data.cells import CellFault

OPENED: list[str] | None = None


def note_opened(event: str, arguments: tuple[object, ...]) -> None:
    if OPENED is not None and event in ("open", "os.listdir", "os.scandir"):
        OPENED.append(str(arguments[0]))


# Hooks cannot be taken away again, so there is one, and it is silent outside `opened`.
sys.addaudithook(note_opened)


@pytest.fixture
def opened() -> Iterator[list[str]]:
    global OPENED
    OPENED = []
    yield OPENED
    OPENED = None


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "secret.jpg").write_bytes(b"secret")
    photos = folder / "photos"
    (photos / "deep").mkdir(parents=True)
    for name in ("a.jpg", "deep/b.jpg", "12:30.jpg", "ü 1.jpg"):
        (photos / name).write_bytes(b"photo")
    (photos / "inside.jpg").symlink_to("deep/b.jpg")
    (photos / "leaves.jpg").symlink_to("../secret.jpg")
    (photos / "up").symlink_to("..")
    (photos / "loop.jpg").symlink_to("loop.jpg")
    (photos / "device.jpg").symlink_to("/dev/zero")
    os.mkfifo(photos / "pipe.jpg")
    return photos


BAD = {
    "../secret.jpg": "photo_outside",
    "deep/../../secret.jpg": "photo_outside",
    "/etc/passwd": "photo_outside",
    "//server/a.jpg": "photo_outside",
    "..\\secret.jpg": "photo_outside",
    "\\\\server\\a.jpg": "photo_outside",
    "leaves.jpg": "photo_outside",
    "up/secret.jpg": "photo_outside",
    "device.jpg": "photo_outside",
    "C:\\a.jpg": "photo_url",
    "c:a.jpg": "photo_url",
    "http://example.org/a.jpg": "photo_url",
    "file:///etc/passwd": "photo_url",
    "data:image/png;base64,AAAA": "photo_url",
    "a.jpg\0.png": "photo_name",
    "a\ud800.jpg": "photo_name",
    "x" * 256: "photo_name",
    "none.jpg": "photo_missing",
    "a.jpg/b.jpg": "photo_missing",
    "loop.jpg": "photo_missing",
    "é" * 200: "photo_missing",
    "~/a.jpg": "photo_missing",
    "$HOME/a.jpg": "photo_missing",
    "deep": "photo_not_a_file",
    ".": "photo_not_a_file",
    "pipe.jpg": "photo_not_a_file",
}


@pytest.mark.parametrize("name", list(BAD), ids=ascii)
def test_a_name_that_leads_elsewhere_is_refused_by_its_kind(root: Path, name: str) -> None:
    with pytest.raises(CellFault) as caught:
        photo_path(root, name)
    assert caught.value.code == BAD[name]
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("name", ["a.jpg", "./a.jpg", "deep//b.jpg", "inside.jpg", "12:30.jpg"])
def test_a_name_inside_is_resolved(root: Path, name: str) -> None:
    assert photo_path(root, name).read_bytes() == b"photo"


def test_a_whole_path_inside_the_folder_is_inside(root: Path, tmp_path: Path) -> None:
    real = root.resolve()
    (tmp_path / "link").symlink_to(real)
    for folder in (real, tmp_path / "link", Path(os.path.relpath(real))):
        for begin in (real, folder.absolute()):
            for name in ("a.jpg", "deep/b.jpg", "inside.jpg"):
                assert photo_path(folder, f"{begin}/{name}") == (real / name).resolve()
            for name, code in BAD.items():
                # Behind the folder's name `/etc/passwd` is a name in it, and `c:a.jpg` no address.
                kinds = {code, "photo_missing"} if name[0] in "/c" else {code}
                with pytest.raises(CellFault) as caught:
                    photo_path(folder, f"{begin}/{name}")
                assert caught.value.code in kinds
        with pytest.raises(CellFault, match="must be a path inside"):
            photo_path(folder, f"{real.parent}/secret.jpg")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_are_found_in_either_form(tmp_path: Path, form: str) -> None:
    def written(text: str) -> str:
        return unicodedata.normalize(form, text)

    (tmp_path / written("été")).mkdir()
    (tmp_path / written("été") / written("pâle.jpg")).write_bytes(b"photo")
    (tmp_path / written("café.jpg")).symlink_to("/etc/hostname")
    for other in ("NFC", "NFD"):
        for name in ("été/pâle.jpg", f"{tmp_path}/été/pâle.jpg"):
            found = photo_path(tmp_path, unicodedata.normalize(other, name))
            assert found.read_bytes() == b"photo"
        with pytest.raises(CellFault) as caught:
            photo_path(tmp_path, unicodedata.normalize(other, "café.jpg"))
        assert caught.value.code == "photo_outside"
    mixed = unicodedata.normalize("NFC", "été") + "/" + unicodedata.normalize("NFD", "pâle.jpg")
    assert photo_path(tmp_path, mixed).read_bytes() == b"photo"


def test_the_form_of_the_table_comes_first(tmp_path: Path) -> None:
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, "é.jpg")
        (tmp_path / name).write_text(form)
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system takes both forms for one name")
    for form in ("NFC", "NFD"):
        assert photo_path(tmp_path, unicodedata.normalize(form, "é.jpg")).read_text() == form


def test_a_linked_photo_folder_is_the_folder_it_links_to(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert photo_path(tmp_path / "link", "a.jpg") == root.resolve() / "a.jpg"


PIECE = st.sampled_from(
    [
        "..",
        ".",
        "/",
        "\\",
        "a.jpg",
        "deep",
        "up",
        "leaves.jpg",
        "secret.jpg",
        "file:",
        "\0",
        " ",
        "",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECE | st.text(max_size=3), max_size=7), st.sampled_from(["", "/"]))
def test_no_name_ever_leads_outside(root: Path, pieces: list[str], between: str) -> None:
    try:
        path = photo_path(root, between.join(pieces))
    except CellFault as fault:
        assert fault.code.startswith("photo_")
    else:
        assert path.is_file()
        assert path.is_relative_to(root.resolve())


def test_building_a_catalogue_opens_no_file_outside_the_photo_folder(
    root: Path, opened: list[str]
) -> None:
    frame = pd.DataFrame({"photo": pd.Series(["a.jpg", *BAD], dtype=object)})
    infer_schema(frame, photos=root)
    catalogue = build_catalogue(frame, Schema(columns={"image": ("photo",)}), photos=root)
    assert len(catalogue.faulty_rows()) == len(BAD)
    assert [Path(name) for name in opened if not Path(name).is_relative_to(root)] == []
