import numpy as np
import pytest
import torch

from heads import DECODERS, HEADS, check_decoder
from heads.check import example_target
from heads.decoders import ClosedForm, LinearDecoder


@pytest.mark.parametrize("name", DECODERS)
def test_decoder_keeps_the_contract(name):
    check_decoder(DECODERS[name])


@pytest.mark.parametrize("name", HEADS)
def test_each_head_is_answered_by_the_decoder_that_it_names(name):
    target = example_target(HEADS[name])
    options = {"labels": ("down", "flat", "up")} if HEADS[name].reads_labels else {}
    head = HEADS[name].fitted(target, **options)
    check_decoder(DECODERS[head.decoder], head=head, target=target)


@pytest.mark.parametrize("name", DECODERS)
def test_a_head_with_several_steps_is_answered(name, steps_head):
    target = example_target(steps_head)
    check_decoder(DECODERS[name], head=steps_head.fitted(target), target=target)


@pytest.mark.parametrize("name", DECODERS)
def test_registry_name_is_the_file_name(name):
    assert DECODERS[name].__module__ == f"heads.decoders.{name}"


class MixingDecoder(LinearDecoder):
    def forward(self, fused, memory=None, future=None):
        return super().forward(fused - fused.mean(dim=0) if len(fused) else fused)


class SharingDecoder(LinearDecoder):
    def forward(self, fused, memory=None, future=None):
        return super().forward(fused.mean(dim=1, keepdim=True).expand_as(fused))


class DeafDecoder(LinearDecoder):
    def __init__(self, fused_dim, head):
        super().__init__(fused_dim, head)
        self.unused = torch.nn.Parameter(torch.ones(2))

    def forward(self, fused, memory=None, future=None):
        return super().forward(fused) + 0 * self.unused.sum()


class LateDecoder(LinearDecoder):
    def __init__(self, fused_dim, head):
        super().__init__(fused_dim, head)
        torch.nn.init.zeros_(self.linear.bias)


class ForgetfulDecoder(LinearDecoder):
    def __init__(self, fused_dim, head, *, size=1.0):
        super().__init__(fused_dim, head)
        self.size = size

    def forward(self, fused, memory=None, future=None):
        return super().forward(self.size * fused)

    @classmethod
    def tiny(cls, fused_dim, head):
        return cls(fused_dim, head, size=2.0)


class FlatDecoder(LinearDecoder):
    def forward(self, fused, memory=None, future=None):
        return super().forward(fused).squeeze(1) if len(fused) == 1 else super().forward(fused)


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (MixingDecoder, "must not depend on the other rows"),
        (SharingDecoder, "must not depend on the other networks"),
        (DeafDecoder, "the gradient must reach unused"),
        (LateDecoder, "must begin at the start of the head"),
        (ForgetfulDecoder, "must rebuild the decoder"),
        (FlatDecoder, "raw must be"),
    ],
)
def test_check_decoder_names_the_broken_rule(broken, rule):
    with pytest.raises(AssertionError, match=rule):
        check_decoder(broken)


def test_decoders_keep_no_head():
    head = HEADS["sales_volume"].fitted(np.arange(12.0))
    decoder = LinearDecoder(3, head)
    assert head not in vars(decoder).values()
    assert not isinstance(decoder, ClosedForm)
