"""The contract that every fusion strategy keeps, as one function."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from fusion.strategies.base import Embeddings, Fusion, Present

DIMS = {"a": 6, "b": 3, "c": 5}
ROWS = 7


def check_fusion(build: Callable[[Mapping[str, int]], Fusion]) -> None:
    """Checks a strategy: shapes, masks, row independence, config round trip, gradients.

    Args:
        build: Makes an instance for given dims, such as `ConcatFusion.tiny`.

    Raises:
        AssertionError: With the rule that is broken.

    Example:
        >>> from fusion.strategies import ConcatFusion
        >>> check_fusion(ConcatFusion.tiny)
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        fusion = build(DIMS).eval()
        embeddings, present = _inputs(ROWS)
        _check_shapes(fusion, embeddings, present)
        _check_masks(fusion, embeddings, present)
        _check_rows(fusion, embeddings, present)
        _check_round_trip(fusion, embeddings, present)
        _check_gradients(build(DIMS), embeddings, present)


def _inputs(n_rows: int) -> tuple[Embeddings, Present]:
    embeddings = {name: torch.randn(n_rows, dim) for name, dim in DIMS.items()}
    present = {name: torch.rand(n_rows) > 0.3 for name in DIMS}
    return embeddings, present


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise AssertionError(f"a fusion must {rule}")


def _check_shapes(fusion: Fusion, embeddings: Embeddings, present: Present) -> None:
    fused = fusion(embeddings, present)
    _require(fused.ndim == 3, "give [batch, n_networks, fused_dim]")
    _require(fused.shape[0] == ROWS, "keep the batch as the first axis")
    _require(fused.shape[-1] == fusion.fused_dim, "give vectors of length fused_dim")
    _require(bool(torch.isfinite(fused).all()), "give finite vectors")
    empty = fusion(*_inputs(0))
    _require(empty.shape[0] == 0, "accept an empty batch")


def _check_masks(fusion: Fusion, embeddings: Embeddings, present: Present) -> None:
    poisoned = {
        name: torch.where(present[name][:, None], vectors, torch.nan)
        for name, vectors in embeddings.items()
    }
    _require(
        torch.equal(fusion(embeddings, present), fusion(poisoned, present)),
        "not let the content of an absent modality, even NaN, reach its output",
    )
    nothing = {name: torch.zeros(ROWS, dtype=torch.bool) for name in DIMS}
    fused = fusion(embeddings, nothing)
    _require(bool(torch.isfinite(fused).all()), "be finite where every modality is absent")
    reordered = dict(reversed(embeddings.items())), dict(reversed(present.items()))
    _require(_close(fusion(*reordered), fusion(embeddings, present)), "not depend on dict order")


def _check_rows(fusion: Fusion, embeddings: Embeddings, present: Present) -> None:
    fused = fusion(embeddings, present)
    for row in range(ROWS):
        alone = fusion(_row(embeddings, row), _row(present, row))
        _require(_close(alone[0], fused[row]), "treat each row alone")


def _check_round_trip(fusion: Fusion, embeddings: Embeddings, present: Present) -> None:
    rebuilt = type(fusion)(**fusion.config)
    rebuilt.load_state_dict(fusion.state_dict())
    same = torch.equal(rebuilt.eval()(embeddings, present), fusion(embeddings, present))
    _require(same, "be rebuilt by its config and weights")


def _check_gradients(fusion: Fusion, embeddings: Embeddings, present: Present) -> None:
    poisoned = {
        name: torch.where(present[name][:, None], vectors, torch.nan)
        for name, vectors in embeddings.items()
    }
    output = fusion.train()(poisoned, present)
    if not list(fusion.parameters()):
        return
    (output * torch.randn_like(output)).sum().backward()
    for name, parameter in fusion.named_parameters():
        gradient = torch.zeros(1) if parameter.grad is None else parameter.grad
        _require(bool(torch.isfinite(gradient).all()), f"have finite gradients at {name}")
        _require(bool((gradient != 0).any()), f"let the gradient reach {name}")


def _row(values: dict[str, Tensor], row: int) -> dict[str, Tensor]:
    return {name: value[row : row + 1] for name, value in values.items()}


def _close(first: Tensor, second: Tensor) -> bool:
    return torch.allclose(first, second, atol=1e-5)
