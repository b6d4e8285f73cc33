import numpy as np
import pytest
import torch
from scipy import optimize

from fusion.data.training_rows import TrainingRows
from fusion.stack import Stack, fit_stack
from heads import HEADS, HotItemHead, MulticlassHead, RegressionHead

N = 400


@pytest.fixture
def rng():
    torch.manual_seed(0)
    return np.random.default_rng(0)


def standard_head():
    return RegressionHead(scale="identity", mean=0.0, std=1.0)


def answers(values):
    """Raw outputs `[n, 1, 1]`, or `[n, networks, 1]` of several networks."""
    values = torch.as_tensor(np.asarray(values), dtype=torch.float32)
    return {"y": values.reshape(len(values), -1, 1)}


def stacked(members, target, *, heads=None, knows=None, is_new=None, weight=None, n_folds=4):
    n = len(target)
    everywhere = np.ones(n, dtype=bool)
    folds = np.array_split(np.random.default_rng(0).permutation(n), n_folds)
    return fit_stack(
        {"y": standard_head()} if heads is None else heads,
        TrainingRows({"y": target}, folds, np.ones(n) if weight is None else weight),
        members,
        knows={name: everywhere for name in members} | (knows or {}),
        is_new=~everywhere if is_new is None else is_new,
    )


def three_members(rng, n=N):
    target = rng.normal(size=n)
    noisy = {"kernel": 0.5, "trees": 0.6, "ridge": 0.9}
    return target, {
        name: answers(target + deviation * rng.normal(size=n)) for name, deviation in noisy.items()
    }


def test_weights_are_those_of_least_squares_where_errors_are_small(rng):
    target, members = three_members(rng, n=4000)
    stack, _ = stacked(members, target)
    told = np.stack([members[name]["y"].flatten().numpy() for name in members], axis=1)
    found, _ = optimize.nnls(
        np.vstack([told, np.full((1, 3), 1e6)]), np.append(target, 1e6)
    )  # a heavy row that says: they sum to 1
    assert list(stack.weights["y"].values()) == pytest.approx(found, abs=0.05)  # Huber, not squares


def test_blended_answers_err_less_than_each_member(rng):
    target, members = three_members(rng)
    stack, raw = stacked(members, target)
    error = (raw["y"].flatten().numpy() - target).std()
    for each in members.values():
        assert error < (each["y"].flatten().numpy() - target).std()
    assert set(stack.asked) <= set(members)


def test_a_member_that_says_nothing_of_its_own_gets_no_weight(rng):
    target, members = three_members(rng)
    members["noise"] = {"y": members["kernel"]["y"] + torch.randn(N, 1, 1)}
    stack, _ = stacked(members, target)
    assert stack.weights["y"]["noise"] == 0.0
    assert stack.asked == ("kernel", "trees", "ridge")


def test_each_head_has_weights_of_its_own_whatever_it_asks(rng):
    labels = rng.integers(0, 3, size=N)
    hot = (labels == 2).astype(float)
    good, bad = torch.eye(3)[labels][:, None] * 3, torch.randn(N, 1, 3)
    members = {
        "one": {"kind": good, "hot": torch.randn(N, 1, 1)},
        "two": {"kind": bad, "hot": torch.from_numpy(4 * hot - 2).float()[:, None, None]},
    }
    stack, _ = fit_stack(
        {"kind": MulticlassHead(labels=("a", "b", "c")), "hot": HotItemHead()},
        TrainingRows({"kind": labels.astype(float), "hot": hot}, [np.arange(N)], np.ones(N)),
        members,
        knows={name: np.ones(N, dtype=bool) for name in members},
        is_new=np.zeros(N, dtype=bool),
    )
    assert stack.weights == {"kind": {"one": 1.0, "two": 0.0}, "hot": {"one": 0.0, "two": 1.0}}


@pytest.mark.parametrize("name", sorted(HEADS))
def test_every_head_can_be_stacked(name, rng):
    head = HEADS[name].tiny()
    n = 60
    target = rng.integers(0, 2, size=(n, *head.target_shape)).astype(float)
    shape = (n, 1, *head.target_shape, head.raw_dim)
    members = {one: {"y": torch.randn(shape)} for one in ("kernel", "trees")}
    stack, raw = stacked(members, target, heads={"y": head})
    assert sum(stack.weights["y"].values()) == pytest.approx(1.0)
    assert raw["y"].shape == shape and torch.isfinite(raw["y"]).all()


def test_a_target_of_several_steps_is_stacked_by_all_of_them(steps_head, rng):
    head = steps_head.tiny()
    target = rng.normal(size=(N, 3)) + head.means
    told = torch.from_numpy(head.encode_target(target)).float()[:, None, :, None]
    members = {"good": {"y": told}, "noise": {"y": torch.randn(N, 1, 3, 1)}}
    stack, _ = stacked(members, target, heads={"y": head})
    assert stack.weights["y"] == {"good": 1.0, "noise": 0.0}


def test_the_fewer_rows_are_held_out_the_more_alike_members_count(rng):
    """The same rows over and over: they err as before, and say more."""
    noise = rng.normal(size=(3, 12))
    found = []
    for times in (1, 4, 100):
        target, good, bad = np.tile([noise[0], noise[0] + 0.6 * noise[1], noise[2]], times)
        stack, _ = stacked({"good": answers(good), "bad": answers(bad)}, target)
        found.append(stack.weights["y"]["good"])
    assert 0.5 < found[0] < found[1] < found[2]


def test_members_count_alike_where_no_row_says_anything():
    target = np.full(12, np.nan)
    members = {"kernel": answers(np.zeros(12)), "trees": answers(np.ones(12))}
    stack, _ = stacked(members, target)
    assert stack.weights["y"] == {"kernel": 0.5, "trees": 0.5}


def test_rows_without_target_or_of_no_fold_do_not_count(rng):
    target, members = three_members(rng)
    expected, _ = stacked(
        {name: {"y": raw["y"][:200]} for name, raw in members.items()}, target[:200]
    )
    unknown = np.where(np.arange(N) < 200, target, np.nan)
    members = {
        name: {"y": torch.where(torch.arange(N)[:, None, None] < 200, raw["y"], 1e6)}
        for name, raw in members.items()
    }
    folds = np.array_split(np.random.default_rng(0).permutation(200), 4)
    for values, parts in ((unknown, [*folds, np.arange(200, N)]), (target, folds)):
        stack, _ = fit_stack(
            {"y": standard_head()},
            TrainingRows({"y": values}, parts, np.ones(N)),
            members,
            knows={name: np.ones(N, dtype=bool) for name in members},
            is_new=np.zeros(N, dtype=bool),
        )
        assert stack.weights["y"] == pytest.approx(expected.weights["y"], abs=1e-6)


def test_a_row_of_weight_two_counts_as_the_row_twice(rng):
    target, members = three_members(rng)
    weight = rng.integers(0, 3, size=N).astype(float)
    twice = np.repeat(np.arange(N), weight.astype(int))
    repeated = {name: {"y": raw["y"][twice]} for name, raw in members.items()}
    one, _ = fit_stack(
        {"y": standard_head()},
        TrainingRows({"y": target}, [np.arange(N)], weight),
        members,
        knows={name: np.ones(N, dtype=bool) for name in members},
        is_new=np.zeros(N, dtype=bool),
    )
    two, _ = fit_stack(
        {"y": standard_head()},
        TrainingRows({"y": target[twice]}, [np.arange(len(twice))], np.ones(len(twice))),
        repeated,
        knows={name: np.ones(len(twice), dtype=bool) for name in members},
        is_new=np.zeros(len(twice), dtype=bool),
    )
    assert one.weights["y"] == pytest.approx(two.weights["y"], abs=0.01)


def test_rows_whose_categories_are_new_have_weights_of_their_own(rng):
    """A kernel looks best where it has seen the level, and fails where it has not."""
    target = rng.normal(size=N)
    is_new = np.arange(N) < 100
    kernel = target + np.where(is_new, 2.0, 0.2) * rng.normal(size=N)
    trees = target + np.where(is_new, 0.5, 0.6) * rng.normal(size=N)
    members = {"kernel": answers(kernel), "trees": answers(trees)}
    stack, raw = stacked(members, target, is_new=is_new)
    assert stack.weights["y"]["kernel"] > 0.8
    assert stack.new_weights["y"]["trees"] > 0.8
    told = raw["y"].flatten().numpy()
    assert np.abs(told - target)[is_new].mean() < np.abs(kernel - target)[is_new].mean() / 2
    few = np.arange(N) < 40
    assert stacked(members, target, is_new=few)[0].new_weights is None


def test_new_rows_keep_the_common_weights_where_others_gain_nothing_sure(rng):
    target, members = three_members(rng)
    stack, _ = stacked(members, target, is_new=rng.random(N) < 0.3)
    assert stack.new_weights is None


def test_a_member_that_knows_nothing_of_a_row_has_no_say_there():
    stack = Stack({"y": {"kernel": 0.6, "trees": 0.4}})
    raws = {"kernel": answers([1.0, 1.0, 1.0]), "trees": answers([0.0, 0.0, 0.0])}
    knows = {"kernel": np.array([True, True, False]), "trees": np.array([True, False, False])}
    raw = stack.blend(raws, knows, np.zeros(3, dtype=bool))
    assert raw["y"].flatten().tolist() == pytest.approx([0.6, 1.0, 0.6])


def test_a_member_is_judged_by_the_rows_that_it_knows(rng):
    target, members = three_members(rng)
    blind = np.arange(N) % 2 == 0
    members["kernel"]["y"][blind] = torch.nan
    stack, raw = stacked(members, target, knows={"kernel": ~blind})
    assert stack.weights["y"]["kernel"] > 0.3
    assert (raw["y"].abs() < 10).all()


def test_a_member_that_answers_no_number_is_named(rng):
    target, members = three_members(rng)
    members["trees"]["y"][7] = torch.nan
    with pytest.raises(ValueError, match="finite, got others by trees"):
        stacked(members, target)


def test_answers_of_several_networks_keep_their_axis_and_others_join_each():
    stack = Stack({"y": {"network": 0.5, "kernel": 0.5}})
    everywhere = {"network": np.ones(2, dtype=bool), "kernel": np.ones(2, dtype=bool)}
    raws = {"network": answers([[0.0, 2.0], [4.0, 6.0]]), "kernel": answers([1.0, 1.0])}
    raw = stack.blend(raws, everywhere, np.zeros(2, dtype=bool))
    assert raw["y"][..., 0].tolist() == [[0.5, 1.5], [2.5, 3.5]]
    raws["kernel"] = answers([[0.0, 1.0, 2.0], [1.0, 1.0, 1.0]])
    assert stack.blend(raws, everywhere, np.zeros(2, dtype=bool))["y"].shape == (2, 1, 1)


def test_members_without_weight_need_not_answer():
    stack = Stack({"y": {"kernel": 1.0, "trees": 0.0}})
    assert stack.asked == ("kernel",)
    knows = {"kernel": np.ones(1, dtype=bool)}
    raw = stack.blend({"kernel": answers([3.0])}, knows, np.zeros(1, dtype=bool))
    assert raw["y"].item() == 3.0


def test_a_stack_is_rebuilt_from_its_configuration():
    stack = Stack({"y": {"kernel": 0.6, "trees": 0.4}}, {"y": {"kernel": 0.0, "trees": 1.0}})
    assert Stack(**stack.config).config == stack.config


@pytest.mark.parametrize(
    ("weights", "others"),
    [
        ({"y": {}}, None),
        ({"y": {"kernel": 0.5, "trees": 0.6}}, None),
        ({"y": {"kernel": -0.5, "trees": 1.5}}, None),
        ({"y": {"kernel": float("nan")}}, None),
        ({"y": {"kernel": 1.0}, "z": {"trees": 1.0}}, None),
        ({"y": {"kernel": 1.0}}, {"z": {"kernel": 1.0}}),
    ],
)
def test_weights_that_are_none_are_refused(weights, others):
    with pytest.raises(ValueError, match="weights"):
        Stack(weights, others)
