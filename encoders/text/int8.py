"""A BERT whose linear layers multiply int8, run by ONNX Runtime or OpenVINO on the CPU."""

import copy
import importlib
import importlib.util
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

RUNTIMES = {"onnx": "onnxruntime", "openvino": "openvino"}
EXPORTERS = ("onnx", "onnxscript")

Run = Callable[[dict[str, NDArray[np.int64]]], NDArray[np.float32]]


class Int8Model:
    """Hidden states of a frozen transformer with weights and activations of 8 bits.

    Why: processors multiply int8 faster than float32. Every token gets a scale of its own, because
    with one scale for the whole batch, which is what ONNX Runtime's `quantize_dynamic` does, a
    text's embedding depends on its neighbours. Both runtimes get the same graph. It is made in
    memory at the first call, in 5 to 15 s; copies and pickles leave it out and make it again.
    Source: scales for each token and each output: Yao et al. (2022), "ZeroQuant", section 4.1.

    Args:
        model: A transformer that takes `input_ids` and `attention_mask`, float32.
        backend: `"onnx"` or `"openvino"`.

    Raises:
        ImportError: If a package of the backend is not installed.
    """

    def __init__(self, model: nn.Module, *, backend: str) -> None:
        check_installed(backend)
        self._model = model
        self._backend = backend
        self._run: Run | None = None

    @property
    def version(self) -> str:
        """Name and version of the runtime, on which the last bits depend."""
        return f"{RUNTIMES[self._backend]} {_runtime(self._backend).__version__}"

    def __call__(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Last hidden states.

        Shape:
            ids, mask int64 `[batch, tokens]` -> float32 `[batch, tokens, dim]`, on the CPU.
        """
        if self._run is None:
            graph = export_graph(self._model)
            quantise_linear_layers(graph)
            compiled = {"onnx": _onnx_run, "openvino": _openvino_run}[self._backend]
            self._run = compiled(graph.SerializeToString(), torch.get_num_threads())
        inputs = {"input_ids": ids.cpu().numpy(), "attention_mask": mask.cpu().numpy()}
        return torch.from_numpy(self._run(inputs))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_run": None}  # sessions can be neither copied nor pickled


def check_installed(backend: str) -> None:
    """Refuse a backend that cannot run here.

    Raises:
        ImportError: If one of its packages is not installed.
    """
    for name in (RUNTIMES[backend], *EXPORTERS):
        if importlib.util.find_spec(name) is None:
            raise ImportError(
                f"backend {backend!r} needs {name}, which is not installed. "
                f'Run: pip install "product-fusion[{backend}]"'
            )


def export_graph(model: nn.Module) -> Any:
    """The transformer as an ONNX `ModelProto` for any number of texts and tokens, float32."""
    lonely = _Hidden(copy.deepcopy(model).cpu()).eval()
    ids = torch.ones(3, 8, dtype=torch.int64)
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0  # without padding in the example the mask would be left out
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations and names of axes
        program = torch.onnx.export(
            lonely,
            (ids, mask),
            dynamo=True,
            verbose=False,
            input_names=["input_ids", "attention_mask"],
            output_names=["hidden"],
            dynamic_shapes=(free, free),
        )
    if program is None:
        raise RuntimeError("torch.onnx.export must give a program, got None.")
    return program.model_proto


class _Hidden(nn.Module):
    """Two tensors in, one out: what an exporter can follow."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        return torch.as_tensor(self.model(input_ids=ids, attention_mask=mask).last_hidden_state)


def quantise_linear_layers(graph: Any) -> None:
    """Multiply by constant matrices in int8, in place; products of activations stay float32.

    Args:
        graph: ONNX `ModelProto`.

    Raises:
        ValueError: If the graph has no linear layer.
    """
    from onnx import numpy_helper

    body = graph.graph
    constants = {constant.name: constant for constant in body.initializer}
    nodes: list[Any] = []
    done: set[str] = set()
    _add_constants(body)
    for node in body.node:
        if node.op_type != "MatMul" or node.input[1] not in constants:
            nodes.append(node)
            continue
        source, weight = node.input
        if source not in done:  # query, key and value read the same activations
            nodes += _quantised_activations(source)
            done.add(source)
        values, scales = quantise_columns(numpy_helper.to_array(constants[weight]))
        nodes += _product(body, node, values=values, scales=scales)
    if not done:
        raise ValueError("model must have linear layers, got an exported graph without one.")
    del body.node[:]
    body.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [constant for constant in body.initializer if constant.name in used]
    del body.initializer[:]
    body.initializer.extend(kept)


def quantise_columns(
    weight: NDArray[np.float32],
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Whole numbers and scales of a weight, one scale for each output.

    Why: AVX2 adds the products of two neighbouring rows in 16 bits, which overflow where both
    weights are large (255 * (w1 + w2) > 32,767). Scales are therefore chosen by pairs, which
    costs almost nothing: it is rare that both are; 7-bit weights, the usual cure, double the error.

    Shape:
        weight `[inputs, outputs]` -> int8 of the same shape, float32 `[outputs]`;
        their product is the weight, to half a scale.
    """
    padded = np.concatenate([weight, np.zeros((len(weight) % 2, weight.shape[1]), weight.dtype)])
    pairs = padded.reshape(-1, 2, weight.shape[1])
    positive = np.maximum(pairs, 0).sum(axis=1)
    negative = np.maximum(-pairs, 0).sum(axis=1)
    largest = np.maximum(positive, negative).max(axis=0)
    scales = np.maximum(largest / np.float32(127), np.finfo(np.float32).tiny).astype(np.float32)
    return np.rint(weight / scales).astype(np.int8), scales


def _add_constants(body: Any) -> None:
    from onnx import numpy_helper

    constants = {
        "int8.one": np.float32(1),
        "int8.middle": np.uint8(128),
        "int8.step": np.float32(1 / 127),
        "int8.least": np.float32(1e-12),
        "int8.last_axis": np.array([-1], dtype=np.int64),
    }
    body.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    )


def _quantised_activations(source: str) -> list[Any]:
    """Nodes that divide each token by its largest number / 127 and round it to 8 bits.

    Why not the largest of the magnitudes: they would be written to memory, the extremes are not.
    """
    from onnx.helper import make_node

    def name(step: str) -> str:
        return f"{source}.{step}"

    rounding = ["int8.one", "int8.middle"]
    return [
        make_node("ReduceMax", [source, "int8.last_axis"], [name("most")], keepdims=1),
        make_node("ReduceMin", [source, "int8.last_axis"], [name("least")], keepdims=1),
        make_node("Neg", [name("least")], [name("negative")]),
        make_node("Max", [name("most"), name("negative"), "int8.least"], [name("max")]),
        make_node("Mul", [name("max"), "int8.step"], [name("scale")]),
        make_node("Reciprocal", [name("scale")], [name("inverse")]),
        make_node("Mul", [source, name("inverse")], [name("scaled")]),
        make_node("QuantizeLinear", [name("scaled"), *rounding], [name("uint8")]),
        make_node("DequantizeLinear", [name("uint8"), *rounding], [name("rounded")]),
    ]


def _product(
    body: Any, node: Any, *, values: NDArray[np.int8], scales: NDArray[np.float32]
) -> list[Any]:
    """Nodes that take the place of one product; runtimes fuse the first two into one of int8."""
    from onnx import numpy_helper
    from onnx.helper import make_node

    source, output = node.input[0], node.output[0]
    names = [f"{output}.weight", f"{output}.scales", f"{output}.zeros"]
    arrays: list[NDArray[Any]] = [values, scales, np.zeros(len(scales), dtype=np.int8)]
    body.initializer.extend(
        numpy_helper.from_array(array, name) for array, name in zip(arrays, names, strict=True)
    )
    return [
        make_node("DequantizeLinear", names, [f"{output}.dequantised"], axis=1),
        make_node("MatMul", [f"{source}.rounded", f"{output}.dequantised"], [f"{output}.product"]),
        make_node("Mul", [f"{output}.product", f"{source}.scale"], [output]),
    ]


def _runtime(backend: str) -> Any:
    """The package that runs a backend.

    Why not a plain import: openvino would report its use over the network and write into the home
    folder. Without its telemetry package, which is hidden here, it does neither.
    """
    name = RUNTIMES[backend]
    if name in sys.modules or name != "openvino":
        return importlib.import_module(name)
    before = sys.modules.get("openvino_telemetry", ...)
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # import finds nothing
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules["openvino_telemetry"]
        if before is not ...:
            sys.modules["openvino_telemetry"] = before


def _onnx_run(graph: bytes, n_threads: int) -> Run:
    onnxruntime = _runtime("onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def run(inputs: dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        return np.asarray(session.run(None, inputs)[0])

    return run


def _openvino_run(graph: bytes, n_threads: int) -> Run:
    """Texts of a batch are dealt to requests of one thread each, which wait for no other."""
    core = _runtime("openvino").Core()
    options = {
        "INFERENCE_NUM_THREADS": n_threads,
        "NUM_STREAMS": n_threads,
        "INFERENCE_PRECISION_HINT": "f32",  # what is not int8 stays exact on every processor
        "ENABLE_CPU_PINNING": False,  # worker processes would all be pinned to the first cores
    }
    compiled = core.compile_model(core.read_model(graph), "CPU", options)
    requests = [compiled.create_infer_request() for _ in range(n_threads)]

    def run(inputs: dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        n_texts = len(inputs["input_ids"])
        busy = requests[: max(1, n_texts)]
        pieces = {name: np.array_split(whole, len(busy)) for name, whole in inputs.items()}
        for place, request in enumerate(busy):
            request.start_async({name: pieces[name][place] for name in pieces})
        for request in busy:
            request.wait()
        return np.concatenate([request.get_output_tensor(0).data for request in busy])

    return run
