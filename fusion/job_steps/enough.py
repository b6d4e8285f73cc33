"""Which rows of a training job stay, and whether they are enough to learn from and to test by."""

from collections.abc import Mapping

from fusion.choices.checks import Targets, few_target_mistakes
from fusion.data.catalogue import Catalogue
from fusion.data.policy import apply_policy, left_out
from fusion.data.problems import OnBadRows, Problem
from fusion.errors import ConfigError
from fusion.fitting.spec import MIN_ROWS
from fusion.job_steps.config import TrainConfig
from fusion.job_steps.head_sections import head_choices
from fusion.job_steps.split import column_groups, split_rows


def check_enough(
    config: TrainConfig,
    catalogue: Catalogue,
    targets: Targets,
    problems: list[Problem],
    unknown: Mapping[int, str],
) -> None:
    """Splits the rows that will stay, so that too few rows or bad dates are found at once.

    Raises:
        ConfigError: If too few rows are left, or know a target.
        ValueError: If these rows cannot be split.
    """
    good, dropped = usable_rows(
        catalogue, problems, unknown=unknown, on_bad_rows=config.data.on_bad_rows
    )
    if unknown and len(good) < MIN_ROWS:
        raise ConfigError(
            f"{MIN_ROWS} rows or more must have a target, got {len(good)} usable rows of "
            f"{len(catalogue)}; {len(unknown)} have none ({next(iter(unknown.values()))}). Give "
            "items that have been sold."
        )
    kept = [row for row in range(len(catalogue)) if row not in dropped]
    heads = head_choices(config.heads)
    known = {name: values[kept] for name, values in targets.items()}
    few = few_target_mistakes(heads, known, least=MIN_ROWS + 1)  # one of them for the test
    if few:
        raise ConfigError("\n".join(few) + left_out(dropped))
    try:
        _try_split_of(config, good)
    except ValueError as error:
        if not dropped:
            raise
        raise ConfigError(f"{error}{left_out(dropped)}") from error


def _try_split_of(config: TrainConfig, good: Catalogue) -> None:
    section = config.split
    if section.column is None or section.column in good.frame.columns:
        groups = column_groups(section, good.frame)
        split, _ = split_rows(section, good, groups=groups, n_folds=config.training.folds, seed=0)
        n_known = len(split.train) + len(split.validation)
        if n_known < MIN_ROWS:
            raise ConfigError(
                f"split must leave at least {MIN_ROWS} rows to learn from, got {n_known} of "
                f"{len(good)}. Make the test smaller, or add rows."
            )


def usable_rows(
    catalogue: Catalogue,
    problems: list[Problem],
    *,
    unknown: Mapping[int, str],
    on_bad_rows: OnBadRows,
) -> tuple[Catalogue, dict[int, str]]:
    """The rows that can be learned from, and why each of the others is left out."""
    good, dropped = apply_policy(catalogue, problems, on_bad_rows=on_bad_rows)
    kept = [row for row in range(len(catalogue)) if row not in dropped]
    places = [place for place, row in enumerate(kept) if row not in unknown]
    return good.take(places), {**unknown, **dropped}
