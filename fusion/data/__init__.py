"""Tables and photos in, a checked catalogue out: the only room that knows column names.

The way through it: `read_table` -> `add_history` / `add_target` (where there is a sales table) ->
`infer_schema` -> `build_catalogue` -> `apply_policy` -> one of the splits.
"""

from typing import TYPE_CHECKING

from fusion.first_use import on_first_use

if TYPE_CHECKING:
    from fusion.data.catalogue import Catalogue, build_catalogue, target_values
    from fusion.data.duplicates import near_duplicate_groups
    from fusion.data.frames import as_frame
    from fusion.data.infer import infer_schema
    from fusion.data.panel.columns import SalesColumns
    from fusion.data.panel.tables import add_history, add_target
    from fusion.data.photos import photo_path
    from fusion.data.policy import apply_policy
    from fusion.data.problems import Problem, raise_for, report_problems
    from fusion.data.schema import Schema
    from fusion.data.split import Split, date_split, group_split, random_split
    from fusion.data.tables import read_table, write_table
    from fusion.data.training_rows import TrainingRows

__all__ = [
    "Catalogue",
    "Problem",
    "SalesColumns",
    "Schema",
    "Split",
    "TrainingRows",
    "add_history",
    "add_target",
    "apply_policy",
    "as_frame",
    "build_catalogue",
    "date_split",
    "group_split",
    "infer_schema",
    "near_duplicate_groups",
    "photo_path",
    "raise_for",
    "random_split",
    "read_table",
    "report_problems",
    "target_values",
    "write_table",
]

__getattr__ = on_first_use(
    __name__,
    {
        "Catalogue": "catalogue",
        "build_catalogue": "catalogue",
        "target_values": "catalogue",
        "near_duplicate_groups": "duplicates",
        "as_frame": "frames",
        "infer_schema": "infer",
        "photo_path": "photos",
        "apply_policy": "policy",
        "Problem": "problems",
        "raise_for": "problems",
        "report_problems": "problems",
        "SalesColumns": "panel.columns",
        "add_history": "panel.tables",
        "add_target": "panel.tables",
        "Schema": "schema",
        "Split": "split",
        "date_split": "split",
        "group_split": "split",
        "random_split": "split",
        "read_table": "tables",
        "write_table": "tables",
        "TrainingRows": "training_rows",
    },
)
