"""Which members a model gets: names, options or instances, checked before any work."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from encoders.spelling import unknown_name
from fusion.bundle.document import MEMBER_NAME
from fusion.choices.checks import is_closed_form, strategy_mistakes
from fusion.choices.heads import HeadChoice
from fusion.choices.members import named_members
from fusion.choices.mistakes import checked_settings, parameter_names
from fusion.data.problems import shown
from fusion.errors import ConfigError
from fusion.members.base import Member
from fusion.members.defaults import DEFAULT_MEMBERS
from fusion.members.registry import MEMBERS
from fusion.training import TrainingSettings
from heads.decoders import DECODERS

MemberChoices = Mapping[str, "Mapping[str, Any] | Member"]
"""Name -> options of the member of this name in `MEMBERS`, or a member of one's own."""
DEFAULT_CHOICES: MemberChoices = MappingProxyType({name: {} for name in DEFAULT_MEMBERS})
NETWORK = "network"


def member_choices(given: Any) -> MemberChoices:
    """The members that were asked for, see `named_members`; the default ones where None is given.

    Raises:
        ConfigError: If it is neither names nor names with options or instances.
    """
    return DEFAULT_CHOICES if given is None else named_members(given)


def member_mistakes(
    choices: MemberChoices, *, heads: Mapping[str, HeadChoice], strategy: Any
) -> list[str]:
    """What is wrong with chosen members; one of each is built to find out.

    Args:
        choices: By name.
        heads: By name; those that are solved in closed form take a network alone.
        strategy: Of networks whose options name no other.
    """
    mistakes = []
    for name, choice in choices.items():
        found = _mistakes(name, choice)
        if name == NETWORK and isinstance(choice, Mapping) and not found:
            found = _network_mistakes(choice, heads=heads, strategy=strategy)
        mistakes += found
    alone = choices == DEFAULT_CHOICES or set(choices) == {NETWORK}
    if is_closed_form(heads) and not mistakes and not alone:
        mistakes.append(
            "members must be network alone with a linear head, got "
            f"{', '.join(choices)}. Take another head, or leave members out."
        )
    return mistakes


def _mistakes(name: Any, choice: Any) -> list[str]:
    if isinstance(choice, Member):
        if isinstance(name, str) and re.fullmatch(MEMBER_NAME, name):
            return []
        return [f"name of a member must be letters, digits and _, got {shown(name)}."]
    if not isinstance(name, str) or name not in MEMBERS:
        return [unknown_name("member", name, MEMBERS)]
    if not isinstance(choice, Mapping):
        return [f"options of member {name} must be names and values, got {shown(choice)}."]
    valid = parameter_names(MEMBERS[name])
    unknown = [key for key in choice if valid is not None and key not in valid]
    if unknown and not valid:
        return [f"options of member {name} must be none, got {shown(unknown)}. Leave them out."]
    if unknown:
        return [unknown_name(f"options of member {name}", key, valid or ()) for key in unknown]
    if name == NETWORK:
        return []  # its options have checks of their own
    try:
        MEMBERS[name](**choice)
    except (TypeError, ValueError, ArithmeticError) as error:
        return [f"member {name}: {error}"]
    return []


def _network_mistakes(
    options: Mapping[str, Any], *, heads: Mapping[str, HeadChoice], strategy: Any
) -> list[str]:
    """What is wrong with options of networks, which are else found wrong in the middle of a fit."""
    mistakes = []
    if "strategy" in options or "strategy_options" in options:
        chosen, own = options.get("strategy", strategy), options.get("strategy_options", {})
        mistakes += strategy_mistakes(chosen, own, heads=heads)
    try:
        checked_settings(TrainingSettings, options.get("training", {}), source="training")
    except ConfigError as error:
        mistakes.append(str(error))
    decoders = options.get("decoders", {})
    if not isinstance(decoders, Mapping):
        mistakes.append(f"decoders must be heads and names of decoders, got {shown(decoders)}.")
        decoders = {}
    for head, decoder in decoders.items():
        if head not in heads:
            mistakes.append(unknown_name("head of decoders", head, heads))
        if not isinstance(decoder, str) or decoder not in DECODERS:
            mistakes.append(unknown_name(f"decoder of {head}", decoder, DECODERS))
    return [f"member {NETWORK}: {mistake}" for mistake in mistakes]


def built_members(
    choices: MemberChoices,
    *,
    heads: Mapping[str, HeadChoice],
    strategy: str,
    strategy_options: Mapping[str, Any],
    training: Mapping[str, Any],
) -> dict[str, Member]:
    """New members of a model; one that was given stays as it is, and is made anew.

    Args:
        choices: By name.
        heads: By name; they may name decoders, which networks take.
        strategy: Of networks whose options name no other.
        strategy_options: Its options.
        training: How networks are trained, see `NetworkMember`.
    """
    suited: Mapping[str, Any] = {
        "strategy": strategy,
        "strategy_options": strategy_options,
        "decoders": {name: one.decoder for name, one in heads.items() if one.decoder is not None},
        "training": training,
    }
    members: dict[str, Member] = {}
    for name, choice in choices.items():
        if isinstance(choice, Member):
            members[name] = type(choice)(**choice.config)
        else:
            own = suited if name == NETWORK else {}
            members[name] = MEMBERS[name](**{**own, **choice})
    return members
