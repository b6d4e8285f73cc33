"""Names of what encoders can be told, apart from the encoders: to check a choice needs no torch."""

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
"""Architectures of photo networks."""
DECODERS = ("exact", "fast")
"""How photos are decoded."""
BACKENDS = ("torch", "onnx", "openvino")
"""What runs a text network."""
KNOWN = {"text": ("tfidf",), "image": ("colour_texture",)}
"""Names of `ENCODERS` by modality, as long as nothing else is registered there."""
