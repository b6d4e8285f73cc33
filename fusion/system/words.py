"""Numbers in sentences."""


def number_of(n: int, noun: str, several: str = "") -> str:
    """A number and what it counts, in the plural unless there is one.

    Args:
        n: How many, >= 0.
        noun: What one is called.
        several: What more are called; `noun` with an s unless given.

    Example:
        >>> number_of(1, "week"), number_of(1_200, "row"), number_of(2, "entry", "entries")
        ('1 week', '1,200 rows', '2 entries')
    """
    return f"{n:,} {noun if n == 1 else several or f'{noun}s'}"
