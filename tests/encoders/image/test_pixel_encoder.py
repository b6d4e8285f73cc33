from importlib.util import find_spec

import pytest

from encoders.image.efficientnet_lite0 import EfficientNetLite0Encoder
from encoders.image.efficientnet_lite0_weights import PACKAGE
from encoders.image.resnet import ResNetEncoder

FINGERPRINTS = {
    ResNetEncoder: "0e454d86a5eb507ad963dade1e19183500e84be46dbdbb810b5777ae48870156",
    EfficientNetLite0Encoder: "3da94a472eba010d597f2ddd4f1ccf9cffba2b4c2a16eb73f49368d355704289",
}
"""What stores keep their embeddings under; it changes with `COMPUTED_AS` alone."""


@pytest.mark.parametrize("kind", FINGERPRINTS)
def test_stored_embeddings_of_photos_stay_valid(kind) -> None:
    if kind is EfficientNetLite0Encoder and find_spec(PACKAGE) is None:
        pytest.skip("needs the extra lite0")
    assert kind(dtype="float32").fingerprint == FINGERPRINTS[kind]


def test_one_window_is_one_batch_where_threads_share_it() -> None:
    encoder = EfficientNetLite0Encoder.tiny()
    assert list(encoder.batches([0] * 40)) == [list(range(40))]
    assert list(encoder.batches([])) == []
    encoder.scale = encoder.scale.to("meta")  # stands for a GPU
    assert [len(batch) for batch in encoder.batches([0] * 40)] == [32, 8]
