import numpy as np
import pytest
import torch

from encoders.blocks import Block
from fusion.data.batch import ModelInputs
from fusion.data.training_rows import TrainingRows
from fusion.members.check import check_member
from fusion.members.kernel import KernelMember
from fusion.members.kernel_blocks import fit_blocks, joined, points_of
from fusion.members.kernel_choice import Kernel, Trial, drawn_rows
from fusion.members.kernel_solver import kernel, solve_by_landmarks, solve_exactly
from fusion.members.ridge import RidgeMember
from fusion.members.view import View
from heads import HEADS, HotItemHead, RegressionHead, SalesVolumeHead

RANDOM = np.random.default_rng(0)
N = 80
VECTORS = RANDOM.normal(size=(N, 4)).astype(np.float32)
CODES = RANDOM.integers(2, 5, N)
TARGET = np.sin(VECTORS[:, 0].astype(np.float64)) + 0.5 * (CODES == 3)
FOLDS = [np.arange(place, N, 4) for place in range(4)]
ALIKE = np.ones(N)


def view_of(vectors=VECTORS, codes=CODES, *, absent=()):
    n = len(vectors)
    there = np.ones(n, dtype=bool)
    there[list(absent)] = False
    blocks = {
        "text": Block("", "vectors", vectors),
        "numeric.maker": Block("maker", "category", codes, n_levels=6),
    }
    present = {"text": there, "numeric.maker": np.ones(n, dtype=bool)}
    inputs = ModelInputs(present={"text": torch.from_numpy(there)})
    return View(blocks, present, inputs, {})


def fitted(view, target=TARGET, *, head=None, folds=FOLDS, weight=None, member=None, **options):
    member = member or KernelMember(**options)
    head = head or RegressionHead(mean=float(np.mean(target)), std=float(np.std(target)))
    weight = np.ones(len(target)) if weight is None else weight
    raw = member.fit(
        view,
        heads={"y": head},
        training=TrainingRows({"y": target}, folds, weight),
        seed=0,
    )["y"]
    return member, raw


def plain_ridge(similar, target, noise):
    """Kernel ridge regression with a free intercept, by the bordered system."""
    n = len(target)
    system = np.ones((n + 1, n + 1))
    system[:n, :n] = similar + np.diag(noise)
    system[n, n] = 0.0
    found = np.linalg.solve(system, np.append(target, 0.0))
    return found[:n], found[n]


def points_and_scales(scales=(0.3, 0.1)):
    blocks = fit_blocks(view_of(), ALIKE)
    points = points_of(blocks, view_of(), np.arange(N))
    return points, np.array(scales)


def plain_kernel(points, scales):
    away = [
        ((block[:, None] - block[None].astype(np.float64)) ** 2).sum(axis=2) for block in points
    ]
    return np.exp(-sum(scale * block for scale, block in zip(scales, away, strict=True)))


def moved(points, scales):
    joint = torch.from_numpy(
        joined([block * np.float32(s**0.5) for block, s in zip(points, scales, strict=True)], N)
    )
    return lambda rows: joint[torch.from_numpy(rows)]


def test_exact_kernels_keep_the_contract_too():
    """`tiny`, which the contract runs on with all heads, answers by landmarks."""
    few = ("regression", "hot_item", "multiclass", "quantiles")
    check_member(lambda: KernelMember(choice_rows=60), heads={name: HEADS[name] for name in few})


def test_solutions_and_folds_are_those_of_plain_kernel_ridge_regression():
    points, scales = points_and_scales()
    similar = plain_kernel(points, scales)
    weight = RANDOM.uniform(0.5, 2.0, N)
    found = solve_exactly(
        moved(points, scales),
        TARGET[:, None],
        weight=weight,
        penalty=0.1,
        folds=FOLDS,
    )
    alphas, intercept = plain_ridge(similar, TARGET, 0.1 / weight)
    np.testing.assert_allclose(found.alphas[:, 0], alphas, atol=1e-4)
    np.testing.assert_allclose(
        similar @ found.alphas[:, 0] + found.intercept[0], similar @ alphas + intercept, atol=1e-5
    )
    for fold in FOLDS:
        rest = np.setdiff1d(np.arange(N), fold)
        alphas, intercept = plain_ridge(
            similar[np.ix_(rest, rest)], TARGET[rest], 0.1 / weight[rest]
        )
        again = similar[np.ix_(fold, rest)] @ alphas + intercept
        np.testing.assert_allclose(found.out_of_fold[fold, 0], again, atol=1e-5)


@pytest.mark.parametrize("folds", [FOLDS, [np.arange(20, 50)]])
def test_one_inverse_answers_the_folds_as_solving_without_them_does(folds):
    points, scales = points_and_scales()
    similar, weight = plain_kernel(points, scales), RANDOM.uniform(0.5, 2.0, N)
    trial = Trial(points, weight=weight, folds=folds)
    found = trial.answers(np.column_stack([TARGET, TARGET**2]), Kernel(scales, 0.1))
    for fold in folds:
        rest = np.setdiff1d(np.arange(N), fold)
        for column, target in enumerate([TARGET, TARGET**2]):
            own = similar[np.ix_(rest, rest)]
            alphas, intercept = plain_ridge(own, target[rest], 0.1 / weight[rest])
            again = similar[np.ix_(fold, rest)] @ alphas + intercept
            np.testing.assert_allclose(found[fold, column], again, atol=1e-5)


def test_slopes_are_those_of_the_loss():
    points, scales = points_and_scales()
    trial = Trial(points, weight=RANDOM.uniform(0.5, 2.0, N), folds=FOLDS)
    columns = trial._standardised(np.column_stack([TARGET, TARGET**2]))
    logs = np.log([*scales, 0.1])

    def loss(logs):
        found = Kernel(np.exp(logs[:-1]), float(np.exp(logs[-1])))
        return trial._loss_and_slopes(columns, found)

    for place, slope in enumerate(loss(logs)[1]):
        step = np.zeros(3)
        step[place] = 1e-3
        numeric = (loss(logs + step)[0] - loss(logs - step)[0]) / 2e-3
        assert slope == pytest.approx(numeric, rel=1e-2, abs=1e-5)


def test_blocks_count_by_what_they_are_worth():
    noise = RANDOM.normal(size=(N, 40)).astype(np.float32)
    member, _ = fitted(view_of(noise), 1.0 * (CODES == 3) + 0.3 * RANDOM.normal(size=N))
    names = [block.name for block in member._state.blocks]
    scales = dict(zip(names, member._state.kernels["y"].scales, strict=True))
    assert scales.get("text", 0.0) < 0.1 * scales["numeric.maker"]


def test_scales_by_block_that_do_not_pay_are_left_alone():
    noise = RANDOM.normal(size=(N, 4)).astype(np.float32)
    member, _ = fitted(view_of(noise), RANDOM.normal(size=N))
    assert np.ptp(member._state.kernels["y"].scales) == 0


def test_absent_rows_are_answered_as_from_the_middle_of_the_block():
    blocks = fit_blocks(view_of(), ALIKE)
    absent = points_of(blocks, view_of(absent=[3]), np.arange(N))[0]
    assert not absent[3].any() and absent[2].any()
    member, _ = fitted(view_of())
    middle = VECTORS.copy()
    middle[3] = VECTORS.mean(axis=0)
    wild = VECTORS.copy()
    wild[3] = np.nan
    found = member.raw(view_of(wild, absent=[3]))["y"]
    torch.testing.assert_close(found, member.raw(view_of(middle))["y"], atol=1e-5, rtol=0)


def test_a_level_that_no_row_had_is_halfway_to_each_level():
    block = fit_blocks(view_of(), ALIKE)[1]
    there = np.ones(2, dtype=bool)
    new, two = block.points(np.array([5, 3]), there)
    _, other = block.points(np.array([5, 4]), there)
    halfway, apart = np.sum((new - two) ** 2), np.sum((two - other) ** 2)
    assert halfway == pytest.approx(apart / 2, rel=1e-5)
    assert np.sum((new - other) ** 2) == pytest.approx(halfway, rel=1e-5)


def test_a_block_has_variance_one_and_a_constant_block_is_no_block():
    blocks = fit_blocks(view_of(np.full((N, 2), 3.3, dtype=np.float32)), ALIKE)
    assert [block.name for block in blocks] == ["numeric.maker"]
    points = points_of(blocks, view_of(), np.arange(N))[0]
    assert (points**2).sum(axis=1).mean() == pytest.approx(1.0, rel=1e-5)


def test_a_row_of_weight_two_is_the_row_twice():
    twice = np.arange(0, N, 5)
    rows = np.concatenate([np.arange(N), twice])
    weight = ALIKE.copy()
    weight[twice] = 2.0
    folds = [np.flatnonzero(np.isin(rows, fold)) for fold in FOLDS]
    head = RegressionHead()
    once, raw = fitted(view_of(), head=head, weight=weight)
    copied, again = fitted(
        view_of(VECTORS[rows], CODES[rows]), TARGET[rows], head=head, folds=folds
    )
    torch.testing.assert_close(raw, again[:N], atol=5e-3, rtol=0)
    found, wanted = once.raw(view_of())["y"], copied.raw(view_of())["y"]
    torch.testing.assert_close(found, wanted, atol=5e-3, rtol=0)


def test_errors_in_units_choose_the_scale_that_is_learned():
    vectors = RANDOM.normal(size=(300, 2)).astype(np.float32)
    root = 4.0 + vectors.sum(axis=1) + 0.2 * RANDOM.normal(size=300)
    target = root.clip(0.0).astype(np.float64) ** 2
    folds = [np.arange(place, 300, 4) for place in range(4)]
    view = view_of(vectors, RANDOM.integers(2, 4, 300))
    head = RegressionHead.fitted(target, transform="log1p")
    member, raw = fitted(view, target, head=head, folds=folds)
    assert member.config["learned"]["targets"]["y"]["scale"] == "sqrt"
    answers = head.decode(member.raw(view)["y"])["prediction"].numpy()
    assert np.corrcoef(answers, target)[0, 1] > 0.98
    assert raw.shape == (300, 1, 1)


def test_landmarks_answer_nearly_as_all_rows_do():
    n = 400
    vectors = RANDOM.normal(size=(n, 2)).astype(np.float32)
    target = np.sin(vectors.sum(axis=1)).astype(np.float64)
    folds = [np.arange(place, n, 4) for place in range(4)]
    view = view_of(vectors, np.full(n, 2))
    exact, raw = fitted(view, target, folds=folds)
    few, near = fitted(view, target, folds=folds, exact_rows=n - 1, n_landmarks=200)
    assert few.config["learned"]["n_points"] == 200
    spread = float(raw.std())
    assert (near - raw).abs().max() < 0.15 * spread
    assert (few.raw(view)["y"] - exact.raw(view)["y"]).abs().max() < 0.15 * spread


def test_all_rows_as_landmarks_are_the_exact_solution():
    points, scales = points_and_scales()
    given = {
        "weight": RANDOM.uniform(0.5, 2.0, N),
        "penalty": 0.1,
        "folds": FOLDS,
    }
    of = moved(points, scales)
    exact = solve_exactly(of, TARGET[:, None], **given)
    near = solve_by_landmarks(of, TARGET[:, None], landmarks=np.arange(N), **given)
    np.testing.assert_allclose(near.out_of_fold, exact.out_of_fold, atol=2e-3)
    np.testing.assert_allclose(near.intercept, exact.intercept, atol=2e-3)
    every = of(np.arange(N)).double()
    similar = kernel(every, every).numpy()
    answers = [similar @ one.alphas + one.intercept for one in (near, exact)]
    np.testing.assert_allclose(*answers, atol=2e-3)


@pytest.mark.parametrize(
    ("target", "head"),
    [
        (np.full(N, 7.0), RegressionHead(mean=7.0, std=0.0)),
        (np.arange(N) % 2.0, HotItemHead()),
        (np.where(np.arange(N) == 5, 1e15, 3.0), RegressionHead(mean=1e13, std=1e14)),
        (np.zeros(N), SalesVolumeHead()),
    ],
)
def test_odd_targets_are_answered_with_finite_numbers(target, head):
    member, raw = fitted(view_of(), target, head=head)
    assert bool(raw.isfinite().all()) and bool(member.raw(view_of())["y"].isfinite().all())


def test_huge_numbers_change_only_the_rows_that_hold_them():
    vectors = VECTORS.copy()
    vectors[0] = 1e30
    member, raw = fitted(view_of(vectors))
    assert bool(raw.isfinite().all())
    member, _ = fitted(view_of())
    found, known = member.raw(view_of(vectors))["y"], member.raw(view_of())["y"]
    assert bool(found.isfinite().all())
    torch.testing.assert_close(found[1:], known[1:])


def test_five_rows_are_enough():
    view = view_of(VECTORS[:5], CODES[:5])
    folds = [np.arange(2), np.arange(2, 5)]
    member, raw = fitted(view, TARGET[:5], folds=folds)
    assert raw.shape == (5, 1, 1) and bool(raw.isfinite().all())
    assert bool(member.raw(view)["y"].isfinite().all())


def test_rows_in_another_order_are_answered_alike():
    order = RANDOM.permutation(N)
    place = np.argsort(order)
    _, raw = fitted(view_of())
    _, moved_raw = fitted(
        view_of(VECTORS[order], CODES[order]), TARGET[order], folds=[place[fold] for fold in FOLDS]
    )
    torch.testing.assert_close(moved_raw[torch.from_numpy(place)], raw, atol=5e-3, rtol=0)


def saved():
    member, _ = fitted(view_of(absent=[1, 2]))
    return member, dict(member.state()), {"y": RegressionHead()}


def test_categories_are_saved_as_levels():
    _, state, _ = saved()
    assert state["block.1.points"].dtype == torch.int64
    assert state["block.0.points"][1].tolist() == [0.0] * 4


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("block.1.points", torch.full((N,), 99), "whole numbers from -1 to 2"),
        ("block.0.std", torch.tensor(0.0), "block.0.std must be above 0"),
        ("block.0.std", torch.tensor(torch.nan), "finite"),
        ("head.0.alphas", torch.zeros(N, 2), r"of shape \[80, 1\]"),
        ("head.0.alphas", b"", r"of shape \[80, 1\]"),
        ("head.7.alphas", torch.zeros(1), "nothing else, got head.7.alphas"),
    ],
)
def test_a_strangers_state_is_checked(name, value, message):
    member, state, heads = saved()
    with pytest.raises(ValueError, match=message):
        KernelMember(**member.config).load_state({**state, name: value}, heads=heads, encoders={})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exact_rows": 0}, "exact_rows must be a whole number from 1 to 1,000,000, got 0"),
        ({"choice_rows": "many"}, "choice_rows must be"),
        ({"n_landmarks": True}, "n_landmarks must be"),
        ({"learned": {"n_points": 3}}, "learned must tell"),
        (
            {"learned": {"n_points": 1, "blocks": [["a", "terms", 1]], "targets": {}}},
            "of the kinds",
        ),
    ],
)
def test_odd_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        KernelMember(**options)


def test_with_many_blocks_fewer_rows_are_drawn():
    drawn = drawn_rows(np.arange(2000), n_blocks=640, most=1000, seed=0)
    assert len(drawn) == 316  # 64 million distances


def test_only_many_rows_make_a_kernel_heavy():
    assert [KernelMember().is_heavy(n) for n in (100, 3_000, 3_001)] == [False, False, True]
    assert not RidgeMember().is_heavy(1_000_000)
