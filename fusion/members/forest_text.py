"""LightGBM's text format of trees: written down to what is needed, and read without trust."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST_BYTES = 64 * 1024**2
MOST_TREES = 100_000
MOST_LEAVES = 4096
"""Leaves of one tree."""
MOST_CODES = 2**20
"""Codes of the categories of one tree."""
LARGEST = 1e100
"""Of an answer, so that sums of answers are finite."""
LEFT_OUT = ("tree_sizes", "split_gain", "leaf_weight", "internal_weight", "internal_value")
"""Lines that LightGBM neither needs for answers nor for what each column adds to them."""
DECISIONS = (0, 1, 2, 8, 9, 10)
"""Numbers (even) and categories (odd) without and with (from 8 on) missing ones."""
TREE = (
    "num_leaves", "num_cat", "split_feature", "threshold", "decision_type", "left_child",
    "right_child", "leaf_value", "leaf_count", "internal_count", "cat_boundaries",
    "cat_threshold", "is_linear", "shrinkage",
)  # fmt: skip
"""Lines of a tree in their order; those of categories stand where there are some."""
NUMBER = r"-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|inf)"
INFO = re.compile(rf"none|\[{NUMBER}:{NUMBER}\]|-?\d+(?::-?\d+)*")
OBJECTIVE = re.compile(r"[a-z_0-9]{1,40}(?: [a-z_]{1,40}:[0-9.e+-]{1,40}){0,4}")


@dataclass(frozen=True)
class TreeText:
    """One tree; places and codes count from its own beginning, see `fusion.members.forest.Forest`.

    Args:
        feature: As the rest `[n_nodes]`; there are none where the tree is one leaf.
        threshold: Of numbers; 0 of categories.
        decision: One of `DECISIONS`.
        left: A later node, or `~leaf`; `right` the same.
        right: See `left`.
        first_code: Where the codes of a category begin in `goes_left`.
        n_codes: How many these are; 0 of numbers.
        goes_left: `[n_codes of all nodes]`.
        leaves: `[n_nodes + 1]`.
    """

    feature: Ints
    threshold: Floats
    decision: Ints
    left: Ints
    right: Ints
    first_code: Ints
    n_codes: Ints
    goes_left: NDArray[np.bool_]
    leaves: Floats


def slim(text: str) -> bytes:
    """LightGBM's text of a model, down to what LightGBM itself needs to answer by it again."""
    trees = text[: text.index("end of trees")]
    kept = [line for line in trees.split("\n") if line.split("=")[0] not in LEFT_OUT]
    return (re.sub("\n{3,}", "\n\n", "\n".join(kept)) + "end of trees\n").encode("ascii")


def constant_text(n_outputs: int) -> bytes:
    """The text of trees that read no column and answer 0."""
    leaf = (
        "num_leaves=1 num_cat=0 split_feature= threshold= decision_type= left_child= right_child="
    )
    leaf += " leaf_value=0 leaf_count=0 internal_count= is_linear=0 shrinkage=1"
    head = f"tree version=v4 num_class={n_outputs} num_tree_per_iteration={n_outputs} label_index=0"
    head += " max_feature_idx=-1 objective=regression feature_names= feature_infos="
    trees = [f"Tree={place} {leaf}" for place in range(n_outputs)]
    return ("\n\n".join([head, *trees]).replace(" ", "\n") + "\n\nend of trees\n").encode()


def read_trees(text: bytes, *, n_features: int, n_outputs: int) -> Iterator[TreeText]:
    """The trees of a text that `slim` wrote; of one that it cannot have written, nothing.

    Args:
        text: It may come from a stranger.
        n_features: Columns that the trees may ask for.
        n_outputs: Answers of a row; there are as many trees, or several times as many.

    Raises:
        ValueError: Where a line is missing, left over or says what it cannot.
    """
    _require(0 < len(text) <= MOST_BYTES, f"of 1 to {MOST_BYTES} bytes", len(text))
    try:
        plain = text.decode("ascii")
    except UnicodeDecodeError as error:
        raise ValueError(f"trees must be ASCII text, got {error}. Save the model again.") from error
    head, *blocks = plain.split("\n\n")
    _check_head(head.split("\n"), n_features=n_features, n_outputs=n_outputs)
    _require(bool(blocks) and blocks.pop() == "end of trees\n", "closed by 'end of trees'", "none")
    whole = len(blocks) % n_outputs == 0
    _require(0 < len(blocks) <= MOST_TREES and whole, f"1 to {MOST_TREES} in number", len(blocks))
    for place, block in enumerate(blocks):
        yield _read_tree(block.split("\n"), place, n_features=n_features)


def _require(holds: bool, rule: str, got: object) -> None:
    if not holds:
        raise ValueError(f"trees must be {rule}, got {str(got)[:80]!r}. Save the model again.")


def _check_head(lines: list[str], *, n_features: int, n_outputs: int) -> None:
    names = " ".join(f"Column_{column}" for column in range(n_features))
    known = [
        "tree", "version=v4", f"num_class={n_outputs}", f"num_tree_per_iteration={n_outputs}",
        "label_index=0", f"max_feature_idx={n_features - 1}",
    ]  # fmt: skip
    _require(lines[: len(known)] == known, f"headed by {known}", lines[: len(known)])
    rest = dict(_entry(line) for line in lines[len(known) :])
    order = ["objective", "feature_names", "feature_infos"]
    _require(list(rest) == order and len(lines) == len(known) + 3, f"headed by {order}", [*rest])
    _require(bool(OBJECTIVE.fullmatch(rest["objective"])), "of an objective", rest["objective"])
    _require(rest["feature_names"] == names, f"of {n_features} columns", rest["feature_names"])
    infos = rest["feature_infos"].split(" ") if n_features else []
    right = len(infos) == n_features and all(INFO.fullmatch(info) for info in infos)
    _require(right, f"of {n_features} described columns", rest["feature_infos"])


def _entry(line: str) -> tuple[str, str]:
    name, equals, value = line.partition("=")
    _require(equals == "=", "lines of a name and a value", line)
    return name, value


def _read_tree(lines: list[str], place: int, *, n_features: int) -> TreeText:
    _require(lines[0] == f"Tree={place}", f"in order, tree {place} next", lines[0])
    found = dict(_entry(line) for line in lines[1:])
    n_leaves = int(_ints(found.get("num_leaves", ""), 1, 1, MOST_LEAVES)[0])
    n_nodes = n_leaves - 1
    n_categories = int(_ints(found.get("num_cat", ""), 1, 0, n_nodes)[0])
    names = [name for name in TREE if n_categories or not name.startswith("cat_")]
    _require(list(found) == names and len(lines) == len(names) + 1, f"made of {names}", [*found])
    _require(found["is_linear"] == "0", "of constant leaves", found["is_linear"])
    _numbers(found["shrinkage"], 1, LARGEST)
    _ints(found["leaf_count"], n_leaves, 0, 2**53)
    _ints(found["internal_count"], n_nodes, 0, 2**53)
    decision = _ints(found["decision_type"], n_nodes, 0, 10)
    _require(bool(np.isin(decision, DECISIONS).all()), f"of decisions {DECISIONS}", decision)
    left, right = (_ints(found[f"{side}_child"], n_nodes, -n_leaves, n_nodes - 1) for side in SIDES)
    _check_children(left, right, n_nodes=n_nodes)
    threshold = _numbers(found["threshold"], n_nodes, np.inf)  # inf: a missing number or any other
    first, n_codes, goes_left = _read_categories(found, threshold, decision, n_categories)
    feature = _ints(found["split_feature"], n_nodes, 0, n_features - 1)
    leaves = _numbers(found["leaf_value"], n_leaves, LARGEST)
    return TreeText(feature, threshold, decision, left, right, first, n_codes, goes_left, leaves)


SIDES = ("left", "right")


def _check_children(left: Ints, right: Ints, *, n_nodes: int) -> None:
    """Every node but the root, and every leaf, is reached once, and by an earlier node."""
    everything = np.r_[np.arange(-n_nodes - 1, 0), np.arange(1, n_nodes)] if n_nodes else []
    reached = np.sort(np.concatenate([left, right]))
    _require(np.array_equal(reached, everything), "of nodes that are reached once", reached)
    for child in (left, right):
        later = (child < 0) | (child > np.arange(n_nodes))
        _require(bool(later.all()), "of nodes that lead to later ones", child)


def _read_categories(
    found: dict[str, str], threshold: Floats, decision: Ints, n_categories: int
) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Beginning and number of the codes of each node, and which codes go left."""
    first, n_codes = np.zeros((2, len(decision)), dtype=np.int64)
    nodes = np.flatnonzero(decision & 1)
    _require(len(nodes) == n_categories, f"of {n_categories} nodes of categories", len(nodes))
    if not n_categories:
        return first, n_codes, np.zeros(0, dtype=bool)
    sets = threshold[nodes]
    _require(np.array_equal(sets, np.arange(n_categories)), "of one set a category", sets)
    ends = _ints(found["cat_boundaries"], n_categories + 1, 0, MOST_CODES // 32)
    _require(ends[0] == 0 and bool((np.diff(ends) > 0).all()), "of sets with codes", ends)
    words = _ints(found["cat_threshold"], int(ends[-1]), 0, 2**32 - 1).astype("<u4")
    goes_left = np.unpackbits(words.view(np.uint8), bitorder="little").astype(bool)
    first[nodes], n_codes[nodes] = 32 * ends[:-1], 32 * np.diff(ends)
    return first, n_codes, goes_left


def _ints(text: str, n: int, least: int, most: int) -> Ints:
    """`n` whole numbers from `least` to `most`."""
    values = _numbers(text, n, LARGEST)
    right = bool(((values >= least) & (values <= most) & (values == np.floor(values))).all())
    _require(right, f"of whole numbers in {least}..{most}", text)
    return values.astype(np.int64)


def _numbers(text: str, n: int, most: float) -> Floats:
    """`n` numbers from `-most` to `most`, no NaN; whatever else a text can hold is refused."""
    words = text.split(" ") if text else []
    _require(len(words) == n, f"of {n} numbers a line", f"{len(words)}: {text}")
    try:
        values = np.array(words, dtype=np.str_).astype(np.float64)
    except ValueError as error:
        raise ValueError(f"trees must be of numbers, got {error}. Save the model again.") from error
    _require(bool((np.abs(values) <= most).all()), f"of numbers within {most:g}", text)
    return values
