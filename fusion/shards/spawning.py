"""Whether worker processes can be started from where a job is called."""

import ast
import multiprocessing
import sys
import threading
from pathlib import Path
from types import CodeType


def why_no_workers() -> str:
    """Why workers cannot be started from here, in words; empty if they can.

    Why: a worker imports the script that was started, as encoders may be registered there. A script
    that calls a job outside `if __name__ == "__main__":` would be run again by every worker, from
    its first line on.
    """
    if multiprocessing.current_process().daemon:
        return (
            "this is a daemonic process, such as a worker of multiprocessing.Pool, which may have "
            "no processes of its own"
        )
    unread = _script_without_file()
    if unread:
        return f"the script {unread} is no file that a worker could import"
    running = _running_main()
    if running is None:
        return ""
    code, line = running
    if _is_guarded(Path(code.co_filename), line):
        return ""
    return (
        f"line {line} of {Path(code.co_filename).name} calls this outside "
        "`if __name__ == '__main__':`, so every worker would run that script again"
    )


def _script_without_file() -> str:
    """Name of the script that was started, if it is no file, as when it comes by standard input."""
    main = sys.modules.get("__main__")
    script = getattr(main, "__file__", None)
    if script is None or getattr(main, "__spec__", None) is not None:
        return ""  # multiprocessing imports it by its name, or not at all
    return "" if Path(script).exists() else str(script)


def _running_main() -> tuple[CodeType, int] | None:
    """Code and line where the main module stands; None if workers would not run it again."""
    main = sys.modules.get("__main__")
    name = getattr(getattr(main, "__spec__", None), "name", "")
    if getattr(main, "__file__", None) is None or f".{name}".endswith(".__main__"):
        return None  # multiprocessing imports neither of these
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    found = None
    while frame is not None:
        if frame.f_globals is vars(main) and frame.f_code.co_name == "<module>":
            found = frame.f_code, frame.f_lineno
        frame = frame.f_back
    return found


def _is_guarded(script: Path, line: int) -> bool:
    """True where a line of a script is only reached when the script is started, not imported."""
    try:
        tree = ast.parse(script.read_bytes())
    except (OSError, SyntaxError, ValueError):  # no text to look at: as with any other module
        return True
    return any(
        isinstance(node, ast.If)
        and _asks_for_main(node.test)
        and node.body[0].lineno <= line <= (node.body[-1].end_lineno or 0)
        for node in ast.walk(tree)
    )


def _asks_for_main(test: ast.expr) -> bool:
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return any(_asks_for_main(part) for part in test.values)
    return ast.unparse(test) in ("__name__ == '__main__'", "'__main__' == __name__")
