"""What a sentence-transformers checkpoint does with hidden states beyond its transformer."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from safetensors.torch import load
from torch import Tensor, nn

POOLINGS = ("mean", "cls", "max", "mean_sqrt_len_tokens")
MODULES = "modules.json"
PROMPTS = "config_sentence_transformers.json"
TRANSFORMER_FILES = tuple(
    f"sentence_{name}_config.json"
    for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta")
)
"""Where lengths and lower case stand; older checkpoints name the file after their family."""
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "Tanh": nn.Tanh,
    "Identity": nn.Identity,
    "ReLU": nn.ReLU,
    "GELU": nn.GELU,
    "Sigmoid": nn.Sigmoid,
}
AS_LONG_AS_IT_CAN = 10**9
_MODES = {  # written as one flag for each mode before version 5.5 of sentence-transformers
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_APPLIED = (
    "max_seq_length",
    "do_lower_case",
    "unpad_inputs",
    "transformer_task",
    "modality_config",
)
_PLAIN = {"transformer_task": "feature-extraction", "module_output_name": "token_embeddings"}


@dataclass(frozen=True)
class SentenceSettings:
    """What follows the transformer of a checkpoint, and how texts are read for it.

    Args:
        pooling: Mode of pooling; several modes, which are not supported, joined by `+`.
        max_length: Tokens that the checkpoint reads of a text; None where nothing is said.
        lower_case: Texts are lower-cased before the tokenizer sees them.
        prompt: Written before every text.
        steps: Folders of dense layers and `"normalise"`, in order, after pooling.
        files: Files that were read, relative to the checkpoint, weights of dense layers included.
    """

    pooling: str = "mean"
    max_length: int | None = None
    lower_case: bool = False
    prompt: str = ""
    steps: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        """What differs from a plain BERT beside pooling and length, for fingerprints."""
        said = {"lower_case": self.lower_case, "prompt": self.prompt, "steps": list(self.steps)}
        return {name: value for name, value in said.items() if value}

    @property
    def dense_files(self) -> tuple[str, ...]:
        """Configuration and weights of the dense layers."""
        return tuple(file for file in self.files if str(PurePosixPath(file).parent) in self.steps)


def read_sentence_settings(folder: Path) -> SentenceSettings:
    """The settings that sentence-transformers wrote beside a transformer; plain where it did not.

    *Source*: `modules.json` and the module folders of sentence-transformers 2 to 6.

    Raises:
        ValueError: If the checkpoint does something that is not supported; it says what.
    """
    if not (folder / MODULES).is_file():
        return SentenceSettings()
    modules = _modules(folder / MODULES)
    outside = [path for _, path in modules if path != Path(path).name or path == ".."]
    if outside:
        raise _refused(folder / MODULES, outside[0], "modules in folders of its own")
    if [kind for kind, _ in modules[:2]] != ["Transformer", "Pooling"] or modules[0][1] != "":
        got = ", ".join(kind for kind, _ in modules)
        raise _refused(folder / MODULES, got, "a Transformer in the folder itself, then Pooling")
    reading, read_from = _reading(folder)
    pooling = _read(folder / modules[1][1] / "config.json")
    prompt, prompt_files = _prompt(folder)
    if prompt and not pooling.get("include_prompt", True):
        raise _refused(folder / modules[1][1], "include_prompt = false", "prompts that are pooled")
    steps = tuple(_steps(folder, modules[2:]))
    dense = [f"{s}/{name}" for s in steps if s != "normalise" for name in _DENSE_FILES]
    return SentenceSettings(
        pooling=_pooling(pooling),
        max_length=reading.get("max_seq_length") or AS_LONG_AS_IT_CAN,
        lower_case=bool(reading.get("do_lower_case", False)),
        prompt=prompt,
        steps=steps,
        files=(MODULES, f"{modules[1][1]}/config.json", *read_from, *prompt_files, *dense),
    )


_DENSE_FILES = ("config.json", "model.safetensors")


def build_steps(folder: Path, settings: SentenceSettings) -> nn.Sequential:
    """The modules after pooling, `[batch, hidden_size]` -> `[batch, embedding_dim]`, float32.

    Raises:
        ValueError: If weights of a dense layer do not fit its configuration.
    """
    return nn.Sequential(
        *(Normalise() if step == "normalise" else _dense(folder / step) for step in settings.steps)
    )


class Normalise(nn.Module):
    """Vectors of length 1."""

    def forward(self, vectors: Tensor) -> Tensor:
        """The same shape."""
        return nn.functional.normalize(vectors, p=2, dim=-1)


def pool(hidden: Tensor, mask: Tensor, *, mode: str) -> Tensor:
    """One vector for each text from its tokens; padding plays no part.

    Source: sentence-transformers, `Pooling`; mean: Reimers and Gurevych (2019), section 3.

    Shape:
        hidden float32 `[batch, tokens, dim]`, mask int64 `[batch, tokens]` -> `[batch, dim]`.
    """
    if mode == "cls":
        return hidden[:, 0]
    if mode == "max":
        return hidden.masked_fill(mask.unsqueeze(-1) == 0, -torch.inf).amax(1)
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    counts = weights.sum(1)
    return (hidden * weights).sum(1) / (counts if mode == "mean" else counts.sqrt())


def _modules(path: Path) -> list[tuple[str, str]]:
    """Kind and folder of each module, in order."""
    try:
        return [(_kind(entry), str(entry["path"])) for entry in _read(path)]
    except (KeyError, TypeError) as error:
        raise _refused(path, "entries without them", "a type and a path for each module") from error


def _kind(entry: Mapping[str, Any]) -> str:
    """The class of a module; with its package where that is not sentence-transformers."""
    dotted = str(entry["type"])
    package, _, name = dotted.rpartition(".")
    return name if package.split(".")[0] == "sentence_transformers" else dotted


def _reading(folder: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """How the transformer reads texts, and the file where that stands."""
    names = [name for name in TRANSFORMER_FILES if (folder / name).is_file()]
    if not names:
        return {}, ()
    given = _read(folder / names[0])
    for name, value in given.items():
        if name not in _APPLIED and value and value != _PLAIN.get(name):
            raise _refused(folder / names[0], f"{name} = {value!r}", "plain texts")
    task = given.get("transformer_task", _PLAIN["transformer_task"])
    output = given.get("modality_config", {}).get("text", {}).get("method_output_name")
    if task != _PLAIN["transformer_task"] or output not in (None, "last_hidden_state"):
        raise _refused(
            folder / names[0], f"{task} of {output}", "feature-extraction of hidden states"
        )
    return given, (names[0],)


def _pooling(config: Mapping[str, Any]) -> str:
    mode = config.get("pooling_mode") or [m for flag, m in _MODES.items() if config.get(flag)]
    return mode if isinstance(mode, str) else "+".join(mode) or "mean"


def _prompt(folder: Path) -> tuple[str, tuple[str, ...]]:
    """The prompt that stands before every text where nothing else is asked for."""
    if not (folder / PROMPTS).is_file():
        return "", ()
    config = _read(folder / PROMPTS)
    name = config.get("default_prompt_name")
    if name is None:
        return "", (PROMPTS,)
    prompts = config.get("prompts") or {}
    if name not in prompts:
        raise _refused(folder / PROMPTS, f"default_prompt_name = {name!r}", "a name in prompts")
    return prompts[name] or "", (PROMPTS,)


def _steps(folder: Path, modules: list[tuple[str, str]]) -> Iterator[str]:
    for kind, path in modules:
        config = folder / path / "config.json"
        given = _read(config) if config.is_file() else {}
        names = {given.get(name) for name in ("module_input_name", "module_output_name")}
        if names - {None, "sentence_embedding"}:
            raise _refused(config, f"{kind} of {sorted(map(str, names))}", "modules in a row")
        if kind == "Normalize":
            yield "normalise"
        elif kind == "Dense":
            _check_dense(folder / path, given)
            yield path
        elif kind != "Dropout":  # drops nothing outside training
            raise _refused(folder / MODULES, kind, "Dense, Normalize and Dropout after pooling")


def _check_dense(folder: Path, config: Mapping[str, Any]) -> None:
    dotted = _activation(config)
    if not dotted.startswith("torch.nn.") or dotted.rpartition(".")[2] not in ACTIVATIONS:
        raise _refused(folder, f"activation {dotted}", ", ".join(ACTIVATIONS))
    if config.get("use_residual"):
        raise _refused(folder, "use_residual = true", "Dense without a residual")
    if not (folder / "model.safetensors").is_file():
        raise _refused(folder, "none", "dense weights in model.safetensors")


def _dense(folder: Path) -> nn.Module:
    """A linear layer and its activation, from safetensors."""
    config = _read(folder / "config.json")
    weights = load((folder / "model.safetensors").read_bytes())
    try:
        sizes = (config["in_features"], config["out_features"])
        layer = nn.Linear(*sizes, bias=config.get("bias", True))
        layer.load_state_dict({k.removeprefix("linear."): v.float() for k, v in weights.items()})
    except (KeyError, RuntimeError) as error:
        raise _refused(folder, str(error), "dense weights that fit their config.json") from error
    return nn.Sequential(layer, ACTIVATIONS[_activation(config).rpartition(".")[2]]())


def _activation(config: Mapping[str, Any]) -> str:
    return str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(
            f"checkpoint must hold {path.name} as JSON, got none or a damaged one ({path}). "
            "Copy the checkpoint again."
        ) from error


def _refused(path: Path, got: str, rule: str) -> ValueError:
    return ValueError(
        f"checkpoint of sentence-transformers must have {rule}, got {got} ({path}). Use another "
        f"checkpoint, or a copy without {MODULES}, which is read as a plain transformer."
    )
