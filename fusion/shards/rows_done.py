"""How many rows of a shard are done while its modalities are embedded one after the other."""

from fusion.progress import Stage, Work


class RowsDone:
    """Tells a shard's progress in rows: each modality is an equal part of the work of a row.

    Args:
        work: The shard; its units are rows.
        n_modalities: Modalities that are embedded.
    """

    def __init__(self, work: Work, n_modalities: int) -> None:
        self._work = work
        self._share = work.total / max(n_modalities, 1)
        self._n_begun = 0

    def stage(self, name: str, total: int, unit: str) -> Work:
        """Opens the embedding of the next modality."""
        before, self._n_begun = self._share * self._n_begun, self._n_begun + 1

        def changed(inner: Work) -> None:
            part = 1.0 if inner.ending == "done" else inner.done / max(inner.total, 1)
            self._work(max(0, int(before + self._share * part) - self._work.done))

        return Work(name, total, unit, changed)


def signs_of_life(work: Work) -> Stage:
    """A stage that says of each change only that there was one."""
    return lambda name, total, unit: Work(name, total, unit, lambda inner: work(0))
