"""Every kind of member on one screen.

Another one is one file, one line here and one test file; `check_member` tests its laws.
"""

from fusion.members.base import Member
from fusion.members.kernel import KernelMember
from fusion.members.network import NetworkMember
from fusion.members.ridge import RidgeMember
from fusion.members.trees import TreesMember

MEMBERS: dict[str, type[Member]] = {
    "network": NetworkMember,
    "kernel": KernelMember,
    "ridge": RidgeMember,
    "trees": TreesMember,
}
"""Every member by its registry name."""
