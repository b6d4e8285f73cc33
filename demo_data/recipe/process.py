"""The made-up sales process: what every week of every product would sell, and why.

log(expected units) = base + numbers + campaign x (text + photo) + history + noise;
`demo_data/README.md` writes every term out.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.looks import FAMILIES
from recipe.products import BRANDS, FAMILY_FACTS

Array = NDArray[np.float64]
Effects = dict[str, dict[str, float]]

START = pd.Timestamp("2023-09-04")  # a Monday
N_HISTORY_WEEKS = 78
HORIZON_WEEKS = 8
N_WEEKS = N_HISTORY_WEEKS + HORIZON_WEEKS
CUTOFF = START + pd.Timedelta(weeks=N_HISTORY_WEEKS)
PEAK_WEEK = {"spring": 14, "summer": 26, "autumn": 40, "winter": 51}
SEASON_SWING = {
    **{"t-shirts": 0.30, "shirts": 0.15, "dresses": 0.35, "trousers": 0.12, "skirts": 0.30},
    **{"jackets": 0.35, "knitwear": 0.38, "bags": 0.08, "shoes": 0.15, "hats": 0.28},
}


@dataclass(frozen=True)
class Parameters:
    """The true parameters; effects are in log units a week unless another unit is said."""

    base: float = 1.75
    sd_family: float = 0.22
    sd_brand: float = 0.24
    elasticity: float = -0.70
    rating_effect: float = 0.15  # for one rating point
    size_effect: float = 0.03  # for one size
    promo_uplift: float = 0.60
    promo_price_cut: float = 0.15  # share of the price
    sd_text: float = 0.62
    sd_photo: float = 0.62
    appeal_before_campaign: float = 0.2  # factor on text and photo
    sd_word_of_mouth: float = 0.36
    sd_momentum: float = 0.2
    momentum_memory: float = 0.96  # of one week in the next
    ramp_depth: float = 0.70
    ramp_weeks: float = 3.0
    sd_block_noise: float = 0.2  # one draw an item and eight weeks
    sd_week_noise: float = 0.15
    count_dispersion: float = 20.0  # r of the negative binomial
    stockout_start: float = 0.012  # chance a week
    stockout_end: float = 0.45  # chance a week


@dataclass(frozen=True)
class Sales:
    """What the process made, one row a product and one column a week.

    Shape:
        units, price, promo, in_stock, expected_units: [n_items, 86]; every part: [n_items]
    """

    units: NDArray[np.int64]
    price: Array
    promo: NDArray[np.bool_]
    in_stock: NDArray[np.bool_]
    launch_week: NDArray[np.int64]
    regular_price: Array
    parts: dict[str, Array]
    expected_units_8w: Array
    expected_units: Array  # of each week in full stock


def standardised(score: Array) -> Array:
    """Return the score with mean 0 and standard deviation 1."""
    return np.asarray((score - score.mean()) / score.std())


def launch_weeks(rng: np.random.Generator, is_new: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the launch week of each product, 0 = first week of the sales table.

    30 % were launched before it, 15 % in the last six weeks or at the cutoff itself.
    """
    n = len(is_new)
    kind = rng.choice(3, n, p=[0.30, 0.55, 0.15])
    before, middle = rng.integers(-52, 1, n), rng.integers(1, N_HISTORY_WEEKS - 6, n)
    late = rng.integers(N_HISTORY_WEEKS - 6, N_HISTORY_WEEKS + 1, n)
    chosen = np.choose(kind, [before, middle, late])
    return np.asarray(np.where(is_new, N_HISTORY_WEEKS, chosen))


def discounts(rng: np.random.Generator, n: int) -> Array:
    """Return the standing markdown, share of the list price, [n, 86]; constant from the cutoff."""
    depth = rng.choice([0.0, 0.1, 0.2, 0.3], (n, N_WEEKS), p=[0.55, 0.2, 0.15, 0.1])
    fresh = rng.random((n, N_WEEKS)) < 0.06
    fresh[:, 0], fresh[:, N_HISTORY_WEEKS:] = True, False
    fresh[:, N_HISTORY_WEEKS] = rng.random(n) < 0.5
    last = np.maximum.accumulate(np.where(fresh, np.arange(N_WEEKS), 0), axis=1)
    return np.asarray(np.take_along_axis(depth, last, axis=1))


def promotions(rng: np.random.Generator, planned: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which weeks are on promotion; the weeks after the cutoff follow the plan."""
    promo = rng.random((len(planned), N_WEEKS)) < 0.08
    order = rng.random((len(planned), HORIZON_WEEKS)).argsort(axis=1)
    promo[:, N_HISTORY_WEEKS:] = order < planned[:, None]
    return np.asarray(promo)


def season_curve(table: pd.DataFrame) -> Array:
    """Return the season effect of each product and week, [n, 86]."""
    week_of_year = (START.day_of_year // 7 + np.arange(N_WEEKS)) % 52
    peak = table["season"].map(PEAK_WEEK).to_numpy(float)[:, None]
    swing = table["category"].map(SEASON_SWING).to_numpy(float)[:, None]
    curve = swing * np.cos(2 * np.pi * (week_of_year - peak) / 52)
    return np.asarray(np.nan_to_num(curve))  # "all-year" has no peak and no curve


def launch_ramp(launch: NDArray[np.int64], p: Parameters) -> Array:
    """Return how much a young product still sells below its level, [n, 86], never above 0."""
    age = np.maximum(np.arange(N_WEEKS) - launch[:, None], 0)
    return np.asarray(np.log(1 - p.ramp_depth * np.exp(-(age + 1) / p.ramp_weeks)))


def numbers_effect(table: pd.DataFrame, regular: Array, effects: Effects, p: Parameters) -> Array:
    """Return family, brand, price, rating and size effects of each product and week, [n, 86]."""
    median = table["category"].map({name: facts[0] for name, facts in FAMILY_FACTS.items()})
    fixed = table["category"].map(effects["family"]) + table["brand"].map(effects["brand"])
    fixed += p.rating_effect * (table["supplier_rating"] - 4.0)
    fixed += p.size_effect * (table["n_sizes"] - 4)
    price = np.log(regular / median.to_numpy(float)[:, None])
    return np.asarray(fixed.to_numpy(float)[:, None] + p.elasticity * price)


def draw_effects(rng: np.random.Generator, p: Parameters) -> Effects:
    """Return the true effect of each family and brand, mean 0 over the names."""
    family = p.sd_family * standardised(rng.normal(size=len(FAMILIES)))
    brand = p.sd_brand * standardised(rng.normal(size=len(BRANDS)))
    return {
        "family": dict(zip(FAMILIES, family.round(4).tolist(), strict=True)),
        "brand": dict(zip(BRANDS, brand.round(4).tolist(), strict=True)),
    }


def momentum(rng: np.random.Generator, n: int, p: Parameters) -> Array:
    """Return the slow drift of each product's popularity, [n, 86]: AR(1) around 0."""
    drift = np.empty((n, N_WEEKS))
    drift[:, 0] = rng.normal(0, p.sd_momentum, n)
    step = p.sd_momentum * np.sqrt(1 - p.momentum_memory**2)
    for week in range(1, N_WEEKS):
        drift[:, week] = p.momentum_memory * drift[:, week - 1] + rng.normal(0, step, n)
    return drift


def stock(rng: np.random.Generator, n: int, p: Parameters) -> NDArray[np.bool_]:
    """Return in which weeks each product was in stock, [n, 86]."""
    there = np.ones((n, N_WEEKS), dtype=bool)
    for week in range(1, N_WEEKS):
        chance = np.where(there[:, week - 1], 1 - p.stockout_start, p.stockout_end)
        there[:, week] = rng.random(n) < chance
    return there


def noise(rng: np.random.Generator, n: int, p: Parameters) -> Array:
    """Return what nothing foretells, [n, 86]: one draw an eight-week block, one a week."""
    blocks = rng.normal(0, p.sd_block_noise, (n, -(-N_WEEKS // HORIZON_WEEKS)))
    block = (np.arange(N_WEEKS) - N_HISTORY_WEEKS) // HORIZON_WEEKS  # a block starts at the cutoff
    return np.asarray(blocks[:, block - block.min()] + rng.normal(0, p.sd_week_noise, (n, N_WEEKS)))


def campaign_factor(p: Parameters) -> Array:
    """Return the weight of text and photo in each week, [86]: less before the cutoff, then 1."""
    return np.where(np.arange(N_WEEKS) < N_HISTORY_WEEKS, p.appeal_before_campaign, 1.0)


def simulate(table: pd.DataFrame, *, seed: int, parameters: Parameters) -> tuple[Sales, Effects]:
    """Return the sales of every product, and the true family and brand effects.

    Args:
        table: `products.clean_table`; item ids that begin with N are new products.
        seed: of all draws.
        parameters: the true parameters.
    """
    p, n = parameters, len(table)
    rng = np.random.default_rng([seed, 10**6])
    effects = draw_effects(rng, p)
    launch = launch_weeks(rng, table["item_id"].str.startswith("N").to_numpy())
    regular = (table["list_price_eur"].to_numpy()[:, None] * (1 - discounts(rng, n))).round(2)
    promo = promotions(rng, table["promo_weeks_planned"].to_numpy())
    numbers = numbers_effect(table, regular, effects, p) + season_curve(table)
    numbers = numbers + p.promo_uplift * promo + launch_ramp(launch, p)
    text = p.sd_text * standardised(table["text_score"].to_numpy(float))
    photo = p.sd_photo * standardised(table["photo_score"].to_numpy(float))
    word, drift = rng.normal(0, p.sd_word_of_mouth, n), momentum(rng, n, p)
    known = word + drift[:, N_HISTORY_WEEKS - 1] * p.momentum_memory ** ((HORIZON_WEEKS + 1) / 2)
    appeal = campaign_factor(p) * (text + photo)[:, None]
    log_mean = p.base + numbers + appeal + word[:, None] + drift + noise(rng, n, p)
    r = p.count_dispersion
    in_stock = stock(rng, n, p)
    units = rng.negative_binomial(r, r / (r + np.exp(log_mean))) * in_stock
    target_numbers = np.log(np.exp(numbers[:, N_HISTORY_WEEKS:]).sum(axis=1))
    parts = {"text": text, "photo": photo, "numbers": target_numbers, "history": known}
    expected = np.exp(p.base + target_numbers + text + photo + known)
    price = (regular * np.where(promo, 1 - p.promo_price_cut, 1.0)).round(2)
    weekly = np.exp(log_mean)
    made = Sales(units, price, promo, in_stock, launch, regular[:, -1], parts, expected, weekly)
    return made, effects


def variance_shares(parts: dict[str, Array], target: Array) -> dict[str, float]:
    """Return the share of the variance of log(1 + target) that each part explains; they sum to 1.

    The share of a part is its covariance with the log target over the log target's variance;
    "noise" is what no part explains.
    """
    outcome = np.log1p(target)
    spread = outcome.var(ddof=1)
    shares = {name: float(np.cov(part, outcome)[0, 1] / spread) for name, part in parts.items()}
    return {**shares, "noise": 1 - sum(shares.values())}
