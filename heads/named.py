"""Heads by the names of their questions, whatever these are."""

from collections.abc import ItemsView, Iterator, KeysView

from torch import nn


class NamedHeads(nn.ModuleDict):
    """A dict of heads as a module; any text is a name, also `units.next`, `type` or `items`.

    Why: the name of a target column becomes the name of a head, and `nn.ModuleDict` refuses dots
    and the names of its own attributes. Inside, names begin with `=` and dots are written `%2E`.

    Example:
        >>> heads = NamedHeads({"units.next": nn.Linear(2, 1, bias=False), "type": nn.Identity()})
        >>> list(heads), "units" in heads, list(heads.state_dict())
        (['units.next', 'type'], False, ['=units%2Enext.weight'])
    """

    def __getitem__(self, name: str) -> nn.Module:
        """The head of a name."""
        return super().__getitem__(_inside(name))

    def __setitem__(self, name: str, head: nn.Module) -> None:
        """Gives a name a head."""
        super().__setitem__(_inside(name), head)

    def __delitem__(self, name: str) -> None:
        """Takes a name away."""
        super().__delitem__(_inside(name))

    def __contains__(self, name: object) -> bool:
        """True if a head has this name."""
        return isinstance(name, str) and _inside(name) in self._modules

    def __iter__(self) -> Iterator[str]:
        """Names, in order."""
        return map(_outside, self._modules)

    def keys(self) -> KeysView[str]:
        """Names, in order."""
        return dict(self.items()).keys()

    def items(self) -> ItemsView[str, nn.Module]:
        """Names and heads, in order."""
        return {_outside(name): head for name, head in self._modules.items()}.items()


def _inside(name: str) -> str:
    return "=" + name.replace("%", "%25").replace(".", "%2E")


def _outside(key: str) -> str:
    return key[1:].replace("%2E", ".").replace("%25", "%")
