"""Bundles: one folder is one trained model, readable by anyone, loadable without code of its own.

```
BUNDLE/bundle.json            format, schema, encoders, heads, members, stack, metrics, size and
                              SHA-256 of the rest
BUNDLE/bundle.sha256          SHA-256 of bundle.json
BUNDLE/weights.safetensors    every number that was learned: `encoders.<modality>.<name>` and
                              `members.<member>.<name>`
BUNDLE/<member>.<name>.txt    what a member keeps as text, such as trees
BUNDLE/reference.safetensors  ids, titles, content (vectors of texts and photos, levels of
                              categories, numbers) and targets of the training items, for `similar`
```

Pretrained encoders are not copied: their name, configuration and fingerprint are, and loading
refuses an encoder whose weights are not the same any more. Classes are looked up in the registries
by name; nothing in a bundle is ever executed.

A bundle may have been made to do harm, and its checksums fit then. So only regular files of the
folder are read, in their stated sizes (`folder.py`); the description has one schema, with a cap on
every count and depth, and is checked before anything is built (`kinds.py`, `document.py`); what is
built may take about the memory of the weights (`budget.py`); and the model has to answer before it
is given out (`bundle.py`). Whatever fails is a `BundleError`.

A trained forecast is a folder of the same kind, `forecast.json` with its files: see
`fusion.forecasting.saved.folder`.
"""

from typing import TYPE_CHECKING

from fusion.first_use import on_first_use

if TYPE_CHECKING:
    from fusion.bundle.bundle import Bundle, load_bundle, save_bundle
    from fusion.bundle.content import Content, content_of
    from fusion.bundle.document import BUNDLE
    from fusion.bundle.folder import check_folder
    from fusion.bundle.parts import PACKAGES
    from fusion.bundle.reference import TITLE_CHARACTERS

__all__ = [
    "BUNDLE",
    "PACKAGES",
    "TITLE_CHARACTERS",
    "Bundle",
    "Content",
    "check_folder",
    "content_of",
    "load_bundle",
    "save_bundle",
]

__getattr__ = on_first_use(
    __name__,
    {
        "Bundle": "bundle",
        "load_bundle": "bundle",
        "save_bundle": "bundle",
        "Content": "content",
        "content_of": "content",
        "BUNDLE": "document",
        "check_folder": "folder",
        "PACKAGES": "parts",
        "TITLE_CHARACTERS": "reference",
    },
)
