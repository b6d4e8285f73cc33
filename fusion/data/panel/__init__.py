"""Sales over time: a table of sales becomes a panel, and a panel tells what was known at a date.

The way through it: `frame_parts` (or a reader of files) -> `read_panel` -> `Panel` ->
`history_columns` and `target_column`; `add_history` and `add_target` go it for tables in memory.
"""
