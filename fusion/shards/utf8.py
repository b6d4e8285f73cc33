"""Cells of bytes that should be UTF-8."""


def decoded(cell: str) -> str:
    """A cell of bytes as UTF-8; bytes that are none become lone surrogates."""
    return cell.encode("latin-1").decode("utf-8", errors="surrogateescape")


def is_undecoded(cell: str) -> bool:
    """True for a cell with bytes that are not UTF-8."""
    return not cell.isascii() and any("\udc80" <= mark <= "\udcff" for mark in cell)
