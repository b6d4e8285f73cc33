"""Decoders by the names of their questions, whatever these are."""

from collections.abc import ItemsView, Iterator, KeysView

from torch import nn


class NamedDecoders(nn.ModuleDict):
    """A dict of decoders as a module; any text is a name, also `units.next`, `type` or `items`.

    Why: the name of a target column becomes the name of a head, and `nn.ModuleDict` refuses dots
    and the names of its own attributes. Inside, names begin with `=` and dots are written `%2E`.

    Example:
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> named = NamedDecoders({"units.next": layer, "type": nn.Identity()})
        >>> list(named), "units" in named, list(named.state_dict())
        (['units.next', 'type'], False, ['=units%2Enext.weight'])
    """

    def __getitem__(self, name: str) -> nn.Module:
        """The decoder of a name."""
        return super().__getitem__(_inside(name))

    def __setitem__(self, name: str, decoder: nn.Module) -> None:
        """Gives a name a decoder."""
        super().__setitem__(_inside(name), decoder)

    def __delitem__(self, name: str) -> None:
        """Takes a name away."""
        super().__delitem__(_inside(name))

    def __contains__(self, name: object) -> bool:
        """True if a decoder has this name."""
        return isinstance(name, str) and _inside(name) in self._modules

    def __iter__(self) -> Iterator[str]:
        """Names, in order."""
        return map(_outside, self._modules)

    def keys(self) -> KeysView[str]:
        """Names, in order."""
        return dict(self.items()).keys()

    def items(self) -> ItemsView[str, nn.Module]:
        """Names and decoders, in order."""
        return {_outside(name): decoder for name, decoder in self._modules.items()}.items()


def _inside(name: str) -> str:
    return "=" + name.replace("%", "%25").replace(".", "%2E")


def _outside(key: str) -> str:
    return key[1:].replace("%2E", ".").replace("%25", "%")
