"""Every kind of member on one screen.

Another one is one file, one line here and one test file; `check_member` tests its laws.
"""

from fusion.members.base import Member
from fusion.members.kernel import KernelMember

MEMBERS: dict[str, type[Member]] = {"kernel": KernelMember}
