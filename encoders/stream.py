"""Many parts through an encoder: reading in threads beside the model, faults kept to their part."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from encoders.image.photo_file import MACHINE_FAULTS

if TYPE_CHECKING:
    from encoders.base import Encoder

PIECES_AHEAD = 8  # pieces that are read, or wait to be, for each thread: bounds the memory


@dataclass(frozen=True)
class ReadPart:
    """One part made ready for `collate`, or why it could not be.

    Args:
        value: What `collate` takes.
        warnings: What was odd about the part, in short codes.
        error: Why it cannot be used; `value` means nothing then.
        sha256: Of the content that was read, where the part is a file: it may have changed since
            anybody else looked. None: the part is its own content, or nothing could be read.
    """

    value: Any = None
    warnings: tuple[str, ...] = ()
    error: Exception | None = None
    sha256: bytes | None = None


@dataclass
class EncodedParts:
    """Embeddings of parts, in their order.

    Args:
        vectors: `[n, dim]` float32; rows of failed parts mean nothing.
        failures: Position of a part -> why it could not be read.
        warnings: Position of a part -> what was odd about it, in short codes.
        sha256: Position of a part that is a file -> SHA-256 of what was read of it.
    """

    vectors: NDArray[np.float32]
    failures: dict[int, Exception] = field(default_factory=dict)
    warnings: dict[int, tuple[str, ...]] = field(default_factory=dict)
    sha256: dict[int, bytes] = field(default_factory=dict)


def encode_each(
    encoder: "Encoder",
    parts: Sequence[Any],
    *,
    batch_multiple: int = 1,
    advance: Callable[[int], None] | None = None,
) -> EncodedParts:
    """Embeddings of parts; one that cannot be read fails alone, and no other changes by a bit.

    Why: threads decode the next photos while the model works on these. Texts are sorted by length
    inside a window only, so memory does not grow with the number of parts.

    Args:
        encoder: Any encoder whose parts are not rows of a table.
        parts: Parts, as `Encoder.parts` gives them.
        batch_multiple: Batches of an encoder with `fills_batches` are filled up with copies to a
            multiple of this. From 16 on, kernels give a row the same bits however many rows there
            are; 1 wastes nothing.
        advance: Called with a number of parts that were finished.

    Raises:
        MemoryError, OSError: If the machine, not a part, is at fault (no file handles left).
    """
    done = EncodedParts(np.zeros((len(parts), encoder.embedding_dim), dtype=np.float32))
    multiple = batch_multiple if encoder.fills_batches else 1
    with _evaluating(encoder), torch.inference_mode():
        for start, window in _windows(encoder, parts):
            for n_rows in _encode_window(
                encoder, window, start=start, done=done, multiple=multiple
            ):
                if advance is not None:
                    advance(n_rows)
    return done


@contextmanager
def _evaluating(encoder: "Encoder") -> Iterator[None]:
    """Dropout is off inside the block, and as it was after it, an error included."""
    was_training = encoder.training
    encoder.eval()
    try:
        yield
    finally:
        encoder.train(was_training)


def _windows(encoder: "Encoder", parts: Sequence[Any]) -> Iterator[tuple[int, Sequence[ReadPart]]]:
    """First position and the read parts of one window after the other."""
    size = encoder.piece_parts
    pieces = [parts[start : start + size] for start in range(0, len(parts), size)]
    start = 0
    window: list[ReadPart] = []
    for read in read_ahead(encoder.read, pieces, n_threads=encoder.n_read_threads):
        window += read
        while len(window) >= encoder.window_parts:
            yield start, window[: encoder.window_parts]
            start += encoder.window_parts
            window = window[encoder.window_parts :]
    if window:
        yield start, window


def read_ahead(
    read: Callable[[Any], Any], pieces: Sequence[Any], *, n_threads: int
) -> Iterator[Any]:
    """`read` of each piece, in order; threads are a few pieces ahead of who asks for them.

    The threads live for one call: a pool that outlives it would be dead in a forked process.
    """
    if len(pieces) < 2:
        yield from map(read, pieces)
        return
    waiting: deque[Future[Any]] = deque()
    pool = ThreadPoolExecutor(min(n_threads, len(pieces)))
    try:
        for piece in pieces:
            waiting.append(pool.submit(read, piece))
            if len(waiting) > n_threads * PIECES_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def in_threads(function: Any, items: Sequence[Any]) -> list[Any]:
    """Results in order; decoders release Python's lock, so threads run side by side.

    The threads live for one call: a pool that outlives it would be dead in a forked process.
    """
    n_threads = min(torch.get_num_threads(), len(items))
    if n_threads < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(function, items))


@contextmanager
def on_one_core() -> Iterator[None]:
    """What the calling thread computes meanwhile, it computes alone, beside other threads."""
    torch.get_num_threads()  # the first call of a thread sets it to the process's number
    with openmp_libraries().limit(limits=1):
        yield


@cache
def openmp_libraries() -> Any:
    """The OpenMP libraries that torch has loaded: what sets the calling thread's own number.

    Why kept: to look for them asks Python back from inside the loader of libraries, which another
    thread may be waiting for in an import.
    """
    return ThreadpoolController().select(user_api="openmp")


def _encode_window(
    encoder: "Encoder",
    window: Sequence[ReadPart],
    *,
    start: int,
    done: EncodedParts,
    multiple: int,
) -> Iterator[int]:
    """Writes the embeddings of a window into `done`; yields numbers of parts that were finished."""
    sound = []
    for place, part in enumerate(window):
        if part.error is None:
            sound.append(place)
        else:
            done.failures[start + place] = part.error
        if part.warnings:
            done.warnings[start + place] = part.warnings
        if part.sha256 is not None:
            done.sha256[start + place] = part.sha256
    yield len(window) - len(sound)
    values = [window[place].value for place in sound]
    for positions in encoder.batches(values):
        rows = np.asarray([start + sound[position] for position in positions])
        try:
            done.vectors[rows] = _forward(encoder, [values[i] for i in positions], multiple)
        except (ValueError, OSError) as error:
            broken = _broken_alone(encoder, [values[i] for i in positions])
            if not broken:
                raise error  # no single part is to blame
            done.failures |= {int(rows[i]): reason for i, reason in broken.items()}
            good = [i for i in range(len(positions)) if i not in broken]
            if good:
                kept = [values[positions[i]] for i in good]
                done.vectors[rows[good]] = _forward(encoder, kept, multiple)
        yield len(positions)


def _forward(encoder: "Encoder", values: list[Any], multiple: int) -> NDArray[np.float32]:
    """Embeddings of one batch, filled up with copies of its first value while it runs."""
    missing = -len(values) % multiple
    tensors = encoder.collate([*values, *[values[0]] * missing])
    if torch.cuda.is_available():  # pinned memory is what a GPU can fetch beside its work
        tensors = {name: tensor.pin_memory() for name, tensor in tensors.items()}
    vectors: NDArray[np.float32] = encoder(tensors).float().cpu().numpy()[: len(values)]
    if not np.isfinite(vectors).all():
        raise FloatingPointError(
            f"{type(encoder).__name__} gave embeddings that are not finite. Use dtype='float32'."
        )
    return vectors


def _broken_alone(encoder: "Encoder", values: list[Any]) -> dict[int, Exception]:
    """Position -> error of the values that cannot be collated on their own."""
    broken: dict[int, Exception] = {}
    for position, value in enumerate(values):
        try:
            encoder.collate([value])
        except (ValueError, OSError) as error:
            if getattr(error, "errno", None) in MACHINE_FAULTS:
                raise
            broken[position] = error
    return broken
