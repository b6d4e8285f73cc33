"""Every fusion strategy on one screen.

Another strategy is one file, one line here and one test file; `check_fusion` tests its laws.
"""

from fusion.strategies.base import Fusion
from fusion.strategies.concat import ConcatFusion
from fusion.strategies.gated import GatedFusion
from fusion.strategies.join import JoinFusion

FUSIONS: dict[str, type[Fusion]] = {
    "concat": ConcatFusion,
    "gated": GatedFusion,
    "join": JoinFusion,
}
