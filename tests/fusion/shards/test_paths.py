"""Photo names that try to leave the photo folder: nothing outside is opened, whatever they say."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fusion.build import EncoderChoice
from fusion.shards import JobSettings, Places, embed_catalogue, run_shard

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and FIFOs"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]

# Read by Python and its packages themselves, never by name of a photo.
SYSTEM = (sys.prefix, sys.base_prefix, "/proc/", "/sys/", str(Path(__file__).parents[3]))


class InProcess:
    def run(self, folder: Path, shards: Sequence[int], log: Any) -> dict[int, str]:
        for shard in shards:
            log.done(run_shard(folder, shard))
        return {}


def in_a_child(work: Callable[[], str]) -> str:
    """What `work` gives in a forked process: audit hooks cannot be removed again."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        try:
            answer = work()
        except BaseException as error:
            answer = f"raised {type(error).__name__}: {error}"
        with os.fdopen(write_end, "wb") as pipe:
            pipe.write(answer.encode(errors="replace"))
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        answer = pipe.read().decode()
    os.waitpid(child, 0)
    return answer


def opened_by(work: Callable[[], object]) -> list[str]:
    """Every path that a forked process opens while it works, and `raised ...` if it fails."""

    def recorded() -> str:
        seen: list[str] = []

        def hook(event: str, args: tuple[Any, ...]) -> None:
            if event == "open":
                seen.append(os.fsdecode(args[0]) if isinstance(args[0], str | bytes) else "")
            elif event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.exec"):
                seen.append(f"raised {event} {args!r}")

        sys.addaudithook(hook)
        work()
        return "\n".join(seen)

    return in_a_child(recorded).split("\n")


def outside(opened: Sequence[str], *roots: Path) -> list[str]:
    """Opened paths that are neither below the roots nor part of Python."""
    wanted = []
    for name in opened:
        inside = any(Path(name).resolve().is_relative_to(root.resolve()) for root in roots)
        if name and not inside and not name.startswith(SYSTEM):
            wanted.append(name)
    return wanted


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Photos beside secrets: links, devices, pipes and folders among them."""
    photos = tmp_path / "shop" / "photos"
    (photos / "deep").mkdir(parents=True)
    outside_folder = tmp_path / "outside"
    outside_folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    for path in (
        photos / "good.png",
        photos / "deep" / "good.png",
        outside_folder / "secret.png",
        tmp_path / "shop" / "secret.png",
        tmp_path / "shop" / "photos-secret.png",
    ):
        Image.fromarray(pixels).save(path)
    links = {
        "out.png": outside_folder / "secret.png",
        "relative.png": Path("../secret.png"),
        "folder": outside_folder,
        "chain.png": Path("out.png"),
        "zero.png": Path("/dev/zero"),
        "random.png": Path("/dev/urandom"),
        "stdin.png": Path("/proc/self/fd/0"),
        "memory.png": Path("/proc/self/mem"),
        "loop.png": Path("loop.png"),
        "ping.png": Path("pong.png"),
        "pong.png": Path("ping.png"),
        "dangling.png": Path("nothing.png"),
        "root": Path("/"),
    }
    for name, target in links.items():
        (photos / name).symlink_to(target)
    os.mkfifo(photos / "pipe.png")
    (photos / "inside.png").symlink_to(photos / "deep" / "good.png")
    (photos / "link_to_pipe.png").symlink_to(photos / "pipe.png")
    return tmp_path / "shop"


def hostile_names(shop: Path) -> dict[str, str]:
    """Names and the reasons that they are refused for."""
    secret = shop.parent / "outside" / "secret.png"
    return {
        "../secret.png": "photo_outside",
        "../../outside/secret.png": "photo_outside",
        "deep/../../secret.png": "photo_outside",
        "deep/../good.png": "photo_outside",
        "..": "photo_outside",
        "../photos-secret.png": "photo_outside",
        "../photos/good.png": "photo_outside",
        str(secret): "photo_outside",
        f"{shop}/photos/../secret.png": "photo_outside",
        f"{shop}/photos/out.png": "photo_outside",
        f"{shop}/photos/root/etc/passwd": "photo_outside",
        f"{shop}/photos-secret.png": "photo_outside",
        f"{shop}/./photos/good.png": "photo_outside",
        f"{shop}/photos": "photo_outside",
        f"{shop}/photos/": "photo_not_a_file",
        f"{shop}/photos//etc/passwd": "photo_missing",
        "/etc/passwd": "photo_outside",
        "//etc/passwd": "photo_outside",
        "/proc/self/environ": "photo_outside",
        "/dev/zero": "photo_outside",
        "..\\secret.png": "photo_outside",
        "\\\\host\\share\\a.png": "photo_outside",
        "deep\\good.png": "photo_outside",
        "C:\\photos\\a.png": "photo_url",
        "C:a.png": "photo_url",
        "file:///etc/passwd": "photo_url",
        f"file://{secret}": "photo_url",
        "http://169.254.169.254/latest": "photo_url",
        "https://example.org/a.png": "photo_url",
        "ftp://example.org/a.png": "photo_url",
        "data:image/png;base64,iVBORw0KGgo=": "photo_url",
        "s3://bucket/a.png": "photo_url",
        "%2e%2e/secret.png": "photo_missing",
        "%2e%2e%2fsecret.png": "photo_missing",
        "..%2fsecret.png": "photo_missing",
        "..%c0%afsecret.png": "photo_missing",
        "%2fetc%2fpasswd": "photo_missing",
        "．．/secret.png": "photo_missing",
        "..∕secret.png": "photo_missing",
        "~/secret.png": "photo_missing",
        "$HOME/secret.png": "photo_missing",
        "|cat /etc/passwd": "photo_missing",
        "*.png": "photo_missing",
        "good.png\0.jpg": "photo_name",
        "\0": "photo_name",
        "good.png/a.png": "photo_missing",
        "a" * 256: "photo_name",
        "é" * 255: "photo_missing",
        "a/" * 127 + "a": "photo_missing",
        "out.png": "photo_outside",
        "relative.png": "photo_outside",
        "folder/secret.png": "photo_outside",
        "chain.png": "photo_outside",
        "zero.png": "photo_outside",
        "random.png": "photo_outside",
        "stdin.png": "photo_outside",
        "memory.png": "photo_outside",
        "root/etc/passwd": "photo_outside",
        "loop.png": "photo_missing",
        "ping.png": "photo_missing",
        "dangling.png": "photo_missing",
        "pipe.png": "photo_not_a_file",
        "link_to_pipe.png": "photo_not_a_file",
        "deep": "photo_not_a_file",
        ".": "photo_not_a_file",
        "./": "photo_not_a_file",
    }


def run(items: Path, photos: Path, out: Path) -> None:
    asked = JobSettings(
        choice=EncoderChoice(image="colour_texture"),
        columns={"id": ["id"], "text": [], "image": ["photo"]},
        shard_rows=20,
    )
    embed_catalogue(Places(items, photos), out, asked, engine=InProcess())


def test_no_name_opens_a_file_outside_the_photo_folder(shop: Path, tmp_path: Path) -> None:
    hostile = hostile_names(shop)
    good = ["good.png", "deep/good.png", "./good.png", "good.png/", "inside.png"]
    names = [*hostile, *good, str(shop / "photos" / "good.png")]
    ids = [f"p{row}" for row in range(len(names))]
    items, out = tmp_path / "items.parquet", tmp_path / "out"
    pq.write_table(pa.table({"id": ids, "photo": names}), items)
    run(items, shop / "photos", tmp_path / "warm")  # what Python itself opens once
    opened = opened_by(lambda: run(items, shop / "photos", out))
    assert [name for name in opened if name.startswith("raised ")] == []
    assert outside(opened, shop / "photos", out, items) == []
    assert str(shop / "photos" / "good.png") in opened, "the hook must see what is read"
    errors = ds.dataset(out / "errors").to_table().sort_by("row").to_pylist()
    assert {names[e["row"]]: e["reason"] for e in errors} == hostile
    assert {e["stage"] for e in errors} == {"read"}
    done = ds.dataset(out / "embeddings").to_table()
    assert done["id"].to_pylist() == ids[-6:]


def test_the_hook_would_tell_of_a_file_outside(shop: Path) -> None:
    secret = shop / "secret.png"
    assert outside(opened_by(secret.read_bytes), shop / "photos") == [str(secret)]


def test_a_path_beside_bytes_of_an_image_data_set_is_never_opened(
    shop: Path, tmp_path: Path
) -> None:
    content = (shop / "photos" / "good.png").read_bytes()
    secret = str(shop / "secret.png")
    cells = [
        {"bytes": content, "path": secret},
        {"bytes": None, "path": secret},
        {"bytes": None, "path": "../secret.png"},
        {"bytes": None, "path": "good.png"},
        {"bytes": b"", "path": "good.png"},
    ]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    items, out = tmp_path / "items.parquet", tmp_path / "out"
    pq.write_table(pa.table({"id": list("abcde"), "photo": pa.array(cells, kind)}), items)
    opened = opened_by(lambda: run(items, shop / "photos", out))
    assert outside(opened, shop / "photos", out, items) == []
    errors = ds.dataset(out / "errors").to_table().to_pylist()
    reasons = {e["id"]: e["reason"] for e in errors}
    assert reasons == {"b": "photo_outside", "c": "photo_outside", "e": "photo_empty"}


def test_columns_are_looked_for_without_opening_a_file_outside(shop: Path, tmp_path: Path) -> None:
    names = [*hostile_names(shop), *["good.png"] * 100]
    names = [name for name in names if "\0" not in name]
    items, out = tmp_path / "items.parquet", tmp_path / "out"
    ids = [f"p{row}" for row in range(len(names))]
    pq.write_table(pa.table({"id": ids, "picture": names}), items)
    asked = JobSettings(choice=EncoderChoice(image="colour_texture"))

    def work() -> None:
        embed_catalogue(Places(items, shop / "photos"), out, asked, engine=InProcess())

    opened = opened_by(work)
    assert [name for name in opened if name.startswith("raised ")] == []
    assert outside(opened, shop / "photos", out, items) == []


def test_a_photo_folder_that_is_a_link_is_followed(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(shop / "photos")
    items = tmp_path / "items.parquet"
    pq.write_table(pa.table({"id": ["a", "b"], "photo": ["good.png", "../secret.png"]}), items)
    run(items, tmp_path / "linked", tmp_path / "out")
    done = ds.dataset(tmp_path / "out" / "embeddings").to_table()
    assert done["id"].to_pylist() == ["a"]
