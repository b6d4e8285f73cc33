"""Making the plan of a job, or finding the one that was made."""

import time
from pathlib import Path

from fusion.errors import JobError
from fusion.shards.commit import HISTORY, INPUT, folders_of
from fusion.shards.data_paths import DataPaths
from fusion.shards.input import input_changes, input_state
from fusion.shards.plan import (
    Plan,
    check_unchanged,
    cut_input,
    has_plan,
    read_plan,
    versions,
    write_plan,
)
from fusion.shards.receipts import finished
from fusion.shards.repeated import REPEATED_IDS, write_repeated
from fusion.shards.tables import no_rows
from fusion.shards.work import Asked
from fusion.shards.works import WORKS
from fusion.system.folders import refuse_names


def plan_of(paths: DataPaths, output: Path, settings: Asked) -> tuple[Plan, float]:
    """The plan on disk, if it is still that of this input and these settings, or a new one.

    Of the input, names, sizes and headers are compared, and the bytes of all finished shards.

    Returns:
        The plan, and the seconds that reading the tables for it took.
    """
    work = WORKS[settings.work]
    asked = {"work": settings.work, **work.asked(paths, settings)}
    if has_plan(output):
        start = time.perf_counter()
        plan = read_plan(output)
        # Shards that are left are compared when they are read: no byte is read twice.
        done = finished(output, plan)
        changes = input_changes(paths.items, plan, [plan.shards[number] for number in done])
        check_unchanged(plan, asked, [str(change) for change in changes])
        return plan, time.perf_counter() - start
    state = input_state(paths.items)
    planned = work.planned(paths, output, settings)
    start = time.perf_counter()
    files, shards, repeated = cut_input(
        paths.items,
        shard_rows=settings.shard_rows,
        columns=planned.columns,
        id_column=planned.schema.id,
        delimiter=settings.delimiter,
        on_bad_rows=settings.on_bad_rows,
    )
    if not shards:
        raise no_rows(paths.items)
    if input_state(paths.items) != state:
        raise JobError(
            "items must stay as they are while a job is planned, got tables that changed. Run the "
            "same command again."
        )
    shards = write_repeated(output, shards, repeated)
    plan = Plan(
        settings=asked | planned.settings,
        encoders=planned.encoders,
        schema=planned.schema,
        columns=list(planned.columns),
        files=files,
        shards=shards,
        made_with=versions(),
    )
    write_plan(output, plan)
    return plan, time.perf_counter() - start


def refuse_strangers(output: Path, kind: str) -> None:
    """Refuses a folder that has files which are no job's, before anything is made in it.

    Raises:
        JobError: With the names of the first.
    """
    if not output.exists() or has_plan(output):
        return
    folders = folders_of(kind)
    known = {*folders, "paths.json", REPEATED_IDS, HISTORY, INPUT}
    names = [path.name for path in output.iterdir() if path.name not in known]
    paths = [output / name for name in folders if (output / name).is_dir()]
    names += [f"{path.name}/{part.name}" for path in paths for part in path.iterdir()]
    if not has_plan(output):  # another process may have begun it meanwhile
        refuse_names(output, names, kind="the folder of such a job")
