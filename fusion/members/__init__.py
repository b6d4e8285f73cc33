"""Members: the models that answer together. One file holds state and fitting of one kind.

`registry.py` shows every kind on one screen. Names are imported when they are first used, so that
the name of a member can be checked without torch.
"""

from typing import TYPE_CHECKING

from fusion.first_use import on_first_use

if TYPE_CHECKING:
    from fusion.members.answers import ScoreAnswers
    from fusion.members.base import Member
    from fusion.members.check import check_member
    from fusion.members.registry import MEMBERS

__all__ = ["MEMBERS", "Member", "ScoreAnswers", "check_member"]

__getattr__ = on_first_use(
    __name__,
    {
        "MEMBERS": "registry",
        "Member": "base",
        "ScoreAnswers": "answers",
        "check_member": "check",
    },
)
