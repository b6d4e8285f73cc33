"""How answers of members are joined: weights by head, found on rows held out."""

from fusion.stack.fit import fit_stack
from fusion.stack.new_rows import new_out_of_fold, new_rows
from fusion.stack.stack import Stack

__all__ = ["Stack", "fit_stack", "new_out_of_fold", "new_rows"]
