"""Every kind of member on one screen.

Another one is one file, one line here and one test file; `check_member` tests its laws.
"""

from fusion.members.base import Member
from fusion.members.network import NetworkMember
from fusion.members.ridge import RidgeMember

MEMBERS: dict[str, type[Member]] = {
    "network": NetworkMember,
    "ridge": RidgeMember,
}
"""Every member by its registry name."""
