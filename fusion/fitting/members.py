"""Which members a model gets: names, options or instances, checked before any work."""

from collections.abc import Mapping, Sequence
from typing import Any

from encoders.spelling import unknown_name
from fusion.choices.checks import strategy_mistakes
from fusion.choices.heads import HeadChoice
from fusion.choices.members import build_mistakes, choice_mistakes, named_members
from fusion.choices.mistakes import checked_settings
from fusion.data.problems import shown
from fusion.errors import ConfigError
from fusion.members.base import Member
from fusion.members.defaults import DEFAULT_MEMBERS
from fusion.members.network import NetworkMember
from fusion.members.registry import MEMBERS
from fusion.training.settings import TrainingSettings
from heads.decoders import DECODERS

MemberChoices = Mapping[str, "Mapping[str, Any] | Member"]
"""Name -> options of the member of this name in `MEMBERS`, or a member of one's own."""
NETWORK = "network"
DEFAULT_STRATEGY = "concat"
SETTINGS_OF_ALL = {"folds", "threads", "seed"}
"""Settings of a training that do not change networks alone."""


def member_choices(given: Any) -> MemberChoices | None:
    """The members that were asked for, see `named_members`; None where nothing was.

    Raises:
        ConfigError: If it is neither names nor names with options or instances.
    """
    return None if given is None else named_members(given)


def chosen_members(choices: MemberChoices | None, *, needs_network: bool) -> MemberChoices:
    """The members of a model: those asked for, or the default ones.

    Args:
        choices: What was asked for; None where nothing was.
        needs_network: Whether networks are asked for by what they alone take: a strategy, a
            decoder, an encoder that trains. They then stand before the default members.
    """
    if choices is not None:
        return choices
    return {name: {} for name in (*([NETWORK] if needs_network else []), *DEFAULT_MEMBERS)}


def asked_of_networks(
    strategy: str | None, options: Any, heads: Mapping[str, HeadChoice]
) -> list[str]:
    """What was asked for that networks alone take: a strategy, its options, decoders.

    Args:
        strategy: Name of a fusion strategy; None where nobody asked for one.
        options: Of the strategy.
        heads: By name; they may name decoders.
    """
    asked = {
        "strategy": strategy is not None,
        "options of the strategy": bool(options),
        "decoder": any(choice.decoder is not None for choice in heads.values()),
    }
    return [name for name, is_asked in asked.items() if is_asked]


def member_mistakes(
    choices: MemberChoices | None, *, closed_form: bool, needs_network: Sequence[str] = ()
) -> list[str]:
    """What is wrong with chosen members; one of each is built to find out.

    Args:
        choices: By name; None where nothing was asked for.
        closed_form: Whether heads are solved in closed form, which a network alone does.
        needs_network: What was asked for that networks alone take, such as `strategy`.
    """
    if choices is None:
        return []
    mistakes = []
    for name, choice in choices.items():
        mistakes += _mistakes(name, choice)
    if needs_network and not mistakes and not _has_network(choices):
        mistakes.append(
            f"members must hold network, which alone takes {' and '.join(needs_network)}, got "
            f"{', '.join(choices)}. Add network, or leave the others out."
        )
    if closed_form and not mistakes and set(choices) != {NETWORK}:
        mistakes.append(
            "members must be network alone with a linear head, got "
            f"{', '.join(choices)}. Take another head, or leave members out."
        )
    return mistakes


def _has_network(choices: MemberChoices) -> bool:
    return NETWORK in choices or any(isinstance(one, NetworkMember) for one in choices.values())


def _mistakes(name: Any, choice: Any) -> list[str]:
    found = choice_mistakes(name, choice, kind=Member, registry=MEMBERS)
    if found or isinstance(choice, Member) or name == NETWORK:
        return found  # see `network_mistakes`
    return build_mistakes(name, choice, MEMBERS)


def network_mistakes(
    choices: MemberChoices | None, *, heads: Mapping[str, HeadChoice], strategy: str | None
) -> list[str]:
    """What is wrong with options of a network member, else found in the middle of a fit.

    Args:
        choices: By name; None where nothing was asked for.
        heads: By name.
        strategy: Of networks whose options name no other; None where nothing was asked for.
    """
    options = (choices or {}).get(NETWORK, {})
    if not isinstance(options, Mapping):
        return []
    mistakes = []
    if "strategy" in options or "strategy_options" in options:
        chosen = options.get("strategy", strategy or DEFAULT_STRATEGY)
        mistakes += strategy_mistakes(chosen, options.get("strategy_options", {}), heads=heads)
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


def settings_without_effect(settings: TrainingSettings, members: Mapping[str, Member]) -> str:
    """A sentence on settings that were given and that no member reads; empty where there are none.

    Args:
        settings: How to train; all but those for every member are of networks alone.
        members: Of one model.
    """
    given = sorted(settings.model_fields_set - SETTINGS_OF_ALL)
    if not given or any(isinstance(member, NetworkMember) for member in members.values()):
        return ""
    return (
        f"training.{', training.'.join(given)} changes networks alone, and none is among the "
        f"members {', '.join(members)}."
    )


def built_members(
    choices: MemberChoices,
    *,
    heads: Mapping[str, HeadChoice],
    strategy: str | None,
    strategy_options: Mapping[str, Any],
    training: Mapping[str, Any],
) -> dict[str, Member]:
    """New members of a model; one that was given stays as it is, and is made anew.

    Args:
        choices: By name.
        heads: By name; they may name decoders, which networks take.
        strategy: Of networks whose options name no other; `concat` where None.
        strategy_options: Its options.
        training: How networks are trained, see `NetworkMember`.
    """
    suited: Mapping[str, Any] = {
        "strategy": strategy or DEFAULT_STRATEGY,
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
