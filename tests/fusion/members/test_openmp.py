import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fusion.members import openmp

LIBRARY = Path(torch.__file__).parent / "lib" / "libgomp.so.1"
needs_linux = pytest.mark.skipif(
    not (sys.platform == "linux" and LIBRARY.is_file()), reason="torch brings no libgomp here"
)
OTHER_NAME = b"libgomq.so.1"
"""As long as `libgomp.so.1`, and no library of any system."""
CHILD = """
import ctypes, sys
from pathlib import Path
from types import SimpleNamespace
folder = Path(sys.argv[1])
sys.modules["torch"] = SimpleNamespace(__file__=str(folder / "torch" / "__init__.py"))
from fusion.members import openmp
openmp.NAMES = {"linux": "libgomq.so.1"}
try:
    ctypes.CDLL(str(folder / "lib_lightgbm.so"))
    print("loaded")
except OSError as error:
    print(error)
openmp.load_openmp()
ctypes.CDLL(str(folder / "lib_lightgbm.so"))
print("loaded")
"""
WITHOUT = """
mount --bind /dev/null "$(realpath "$1")"
"$2" -c 'import lightgbm'
exec "$2" -c '
import numpy as np
from fusion.members.openmp import lightgbm
library = lightgbm()
data = library.Dataset(np.arange(100.0)[:, None], np.arange(100.0))
print(library.train({"verbosity": -1, "num_threads": 2}, data, 3).num_trees(), "trees")'
"""


def renamed(library, folder):
    """A copy that asks for OpenMP, or offers it, by a name that the system has not."""
    folder.mkdir(exist_ok=True, parents=True)
    content = library.read_bytes()
    assert content.count(b"libgomp.so.1\0") >= 1
    name = library.name.replace("libgomp.so.1", OTHER_NAME.decode())
    (folder / name).write_bytes(content.replace(b"libgomp.so.1\0", OTHER_NAME + b"\0"))


@needs_linux
def test_lightgbm_finds_the_openmp_of_torch_where_the_system_has_none(tmp_path):
    lightgbm = Path(next(iter(openmp.lightgbm().__path__))) / "lib" / "lib_lightgbm.so"
    renamed(lightgbm, tmp_path)
    renamed(LIBRARY, tmp_path / "torch" / "lib")
    child = [sys.executable, "-c", CHILD, str(tmp_path)]
    found = subprocess.run(child, check=True, capture_output=True, text=True, cwd=ROOT)
    without, with_it = found.stdout.splitlines()
    assert "libgomq.so.1: cannot open shared object file" in without
    assert with_it == "loaded"


ROOT = Path(__file__).parents[3]


def system_library():
    """The system's own libgomp; None where it has none."""
    try:
        listed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout
    except OSError:
        return None
    places = [line.split()[-1] for line in listed.splitlines() if "libgomp.so.1 " in line]
    return places[0] if places else None


@pytest.mark.slow
@needs_linux
def test_lightgbm_learns_where_the_library_of_the_system_is_hidden():
    library = system_library()
    hidden = ["unshare", "-rm", "bash", "-c", WITHOUT, "bash", str(library), sys.executable]
    probe = ["unshare", "-rm", "true"]
    if library is None or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("no library to hide, or no leave to hide it")
    found = subprocess.run(hidden, check=True, capture_output=True, text=True, cwd=ROOT)
    assert "OSError" in found.stderr and "libgomp.so.1" in found.stderr
    assert found.stdout == "3 trees\n"


def test_a_system_without_any_openmp_is_told_what_to_install(monkeypatch):
    class Missing:
        def find_spec(self, name, path=None, target=None):
            if name == "lightgbm":
                raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    with pytest.raises(ImportError, match=r"got: libgomp.so.1.*Install libgomp1"):
        openmp.lightgbm()
