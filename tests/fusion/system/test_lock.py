"""Writers that begin at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier

from fusion.system.lock import LockedError, locked

N_WRITERS = 8


def test_writers_of_a_new_folder_that_begin_together_are_told_or_hold_it(tmp_path):
    start = Barrier(N_WRITERS)

    def hold(folder):
        start.wait()
        with suppress(LockedError), locked(folder):
            return True
        return False

    with ThreadPoolExecutor(N_WRITERS) as pool:
        for number in range(10):
            folder = tmp_path / str(number)
            folder.mkdir()
            assert any(pool.map(hold, [folder] * N_WRITERS))
