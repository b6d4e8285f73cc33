import pytest
import torch

from fusion.strategies import FUSIONS, ConcatFusion, Fusion, GatedFusion, JoinFusion
from fusion.strategies.check import check_fusion
from fusion.strategies.dropout import ModalityDropout


@pytest.mark.parametrize("name", FUSIONS)
def test_strategy_keeps_the_contract(name):
    check_fusion(FUSIONS[name].tiny)


@pytest.mark.parametrize("name", FUSIONS)
def test_registry_name_is_the_file_name(name):
    assert FUSIONS[name].__module__ == f"fusion.strategies.{name}"


class LeakyFusion(JoinFusion):
    def forward(self, embeddings, present):
        fused = super().forward(embeddings, present)
        sums = [vectors.sum(dim=1) for vectors in embeddings.values()]
        return fused + sum(sums)[:, None, None]


def test_the_contract_finds_a_fusion_that_reads_absent_modalities():
    with pytest.raises(AssertionError, match="absent modality"):
        check_fusion(LeakyFusion)


class MixingFusion(JoinFusion):
    def forward(self, embeddings, present):
        fused = super().forward(embeddings, present)
        return fused - fused.mean(dim=0, keepdim=True) if len(fused) else fused


def test_the_contract_finds_a_fusion_that_mixes_rows():
    with pytest.raises(AssertionError, match="each row alone"):
        check_fusion(MixingFusion)


def test_small_modalities_pass_unprojected_and_large_ones_are_projected():
    fusion = ConcatFusion({"numeric": 3, "text": 100}, projection_dim=8)
    assert {name: block.out_dim for name, block in fusion.projections.items()} == {
        "numeric": 3,
        "text": 8,
    }


def test_gates_sum_to_one_and_give_absent_modalities_nothing():
    torch.manual_seed(0)
    fusion = GatedFusion.tiny({"a": 4, "b": 5}).eval()
    embeddings = {"a": torch.randn(3, 4), "b": torch.randn(3, 5)}
    present = {"a": torch.tensor([True, True, False]), "b": torch.tensor([True, False, False])}
    weights = fusion.weights(embeddings, present)
    assert weights["b"][1] == 0 and weights["a"][1] == 1
    assert (weights["a"] + weights["b"]).tolist() == pytest.approx([1, 1, 0])


def test_join_gives_embeddings_and_masks_side_by_side():
    fusion = JoinFusion({"b": 1, "a": 2})
    embeddings = {"a": torch.tensor([[1.0, 2.0]]), "b": torch.tensor([[7.0]])}
    present = {"a": torch.tensor([True]), "b": torch.tensor([False])}
    assert fusion(embeddings, present).tolist() == [[[1.0, 2.0, 0.0, 1.0, 0.0]]]


def test_members_of_the_ensemble_differ():
    torch.manual_seed(0)
    fusion = ConcatFusion.tiny({"a": 8}).eval()
    fused = fusion({"a": torch.randn(2, 8)}, {"a": torch.ones(2, dtype=torch.bool)})
    assert fused.shape == (2, 2, 16)
    assert not torch.allclose(fused[:, 0], fused[:, 1])


def test_modality_dropout_hides_only_in_training_and_never_the_last_modality():
    torch.manual_seed(0)
    dropout = ModalityDropout(0.9)
    present = {"a": torch.ones(500, dtype=torch.bool), "b": torch.ones(500, dtype=torch.bool)}
    hidden = dropout.train()(present)
    assert (hidden["a"] | hidden["b"]).all()
    assert 0.02 < hidden["a"].float().mean() < 0.98
    assert dropout.eval()(present) is present
    with pytest.raises(ValueError, match=r"in \[0, 1\)"):
        ModalityDropout(1.0)


def test_no_modality_at_all_is_refused():
    with pytest.raises(ValueError, match="at least one modality"):
        JoinFusion({})
    assert issubclass(JoinFusion, Fusion)
