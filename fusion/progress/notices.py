"""What people are told once in a process."""

import logging
import multiprocessing


def say_once(line: str) -> None:
    """Tells people a line, once in a process; workers keep silent, as their parent has said it.

    It is a warning of the logger `fusion`, which Python writes to the error stream as it is unless
    the program that uses the toolkit has arranged logging otherwise.
    """
    if line not in _SAID and multiprocessing.parent_process() is None:
        _SAID.add(line)
        logging.getLogger("fusion").warning(line)


_SAID: set[str] = set()
