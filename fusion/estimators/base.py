"""What the estimators share: parameters, fitting, asking, saving and loading.

What needs torch is imported when a model is fitted, loaded or asked.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from fusion.choices.columns import Columns
from fusion.choices.mistakes import Mistakes
from fusion.data.absent import with_absent_columns
from fusion.data.frames import arrow_table, as_frame, is_unnamed
from fusion.data.problems import OnBadRows, raise_for
from fusion.data.records import check_is_table, frame_of_records, is_records
from fusion.data.targets import check_target_names, target_arrays, target_series
from fusion.estimators.asked import training_paths, training_spec
from fusion.estimators.rows import GivenRows
from fusion.estimators.saved import info_to_save, loaded_estimator
from fusion.progress import progress_shown, quiet, say_once

if TYPE_CHECKING:
    from fusion.bundle import Bundle
    from fusion.choices.heads import HeadChoice
    from fusion.fitting.fitted import Fitted
    from fusion.predictor import Predictor
    from fusion.training import TrainingHistory

Paths = str | Path | None
NO_TARGET = "requires y to be passed, but the target y is None."


class FusionEstimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """What the regressor and the classifier share; use those.

    Args:
        encoders: Modality -> what reads it: a name, a built encoder, or a mapping of a `name` and
            options of that encoder, such as `{"text": "minilm", "image": {"name": "resnet50",
            "weights": "imagenet"}}`. Texts: `minilm`, `tfidf`, a hub id or a checkpoint folder;
            photos: `resnet18` .. `resnet152` or `colour_texture`, `weights` being `clothing18`,
            `imagenet`, a torchvision name, a safetensors file, or None. Others by default.
        columns: Role -> its columns, such as `{"text": ["title"], "id": ["sku"]}`; a role that is
            left out is found in the table, an empty list means none. `text`: joined with their
            names; `image`: photos, their embeddings averaged, absent ones left out; `numeric`;
            `categorical`; `dates`: calendar features; `history`: past sales, a modality of their
            own; `row_text`: columns that are also written as one text, a modality of its own
            (texts, categories and numbers, if there are texts); `text_numbers`: columns out of
            whose texts numbers are read; `id`: one column.
        text_numbers: Whether numbers in texts (`set of 6`, `28 x 52 in`) are read as numbers too.
        photos: Folder that holds the photos.
        members: Models that answer together: names, or a mapping of names to options or, under a
            name of its own, a member of one's own, such as `{"kernel": {}, "mine": MyMember()}`;
            how much each counts is found on rows held out. Where None, `kernel`, `ridge` and
            `trees`, and `network` where something is asked for that it alone takes.
        strategy: Fusion strategy of networks: `concat` (where None) or `gated`.
        strategy_options: Options of the strategy, such as `{"n_networks": 4}`.
        head: Head, or (of a regressor) a mapping `{target column: head}` for several targets at
            once, a tuple of columns where a head answers several steps; where None, `regression`
            for the regressor, and for the classifier `hot_item` of two classes, `multiclass` of
            more.
        head_options: Options by head, such as `{"hot_item": {"quantile": 0.9}}`.
        store: Folder of the embedding store; without one, embeddings are not kept.
        on_bad_rows: `raise`, `record` or `absent`, see `fusion.Predictor`.
        validation_fraction: Share of the rows that are held out of the members, in (0, 1), where
            `training={"folds": 1}`; else the folds take turns.
        training: Settings of training, such as `{"epochs": 20}`.
        tuning: Settings of fine-tuning, such as `{"mode": "last_layers"}`; or just the mode. Kept
            are the encoders, tuned or original, that err less on training rows held out.
        tuning_folder: Holds states of the tuning, so that a killed `fit` goes on from there.
        verbose: Shows progress bars where True.
        random_state: Seed of everything that is random.
    """

    default_head: ClassVar[str]

    def __init__(
        self,
        *,
        encoders: Mapping[str, Any] | None = None,
        columns: Mapping[str, Columns] | None = None,
        text_numbers: bool = True,
        photos: Paths = None,
        members: Any = None,
        strategy: str | None = None,
        strategy_options: Mapping[str, Any] | None = None,
        head: str | Mapping[str, str] | None = None,
        head_options: Mapping[str, Mapping[str, Any]] | None = None,
        store: Paths = None,
        on_bad_rows: OnBadRows = "raise",
        validation_fraction: float = 0.1,
        training: Mapping[str, Any] | None = None,
        tuning: str | Mapping[str, Any] = "none",
        tuning_folder: Paths = None,
        verbose: bool = False,
        random_state: Any = None,
    ) -> None:
        self.encoders = encoders
        self.columns = columns
        self.text_numbers = text_numbers
        self.photos = photos
        self.members = members
        self.strategy = strategy
        self.strategy_options = strategy_options
        self.head = head
        self.head_options = head_options
        self.store = store
        self.on_bad_rows = on_bad_rows
        self.validation_fraction = validation_fraction
        self.training = training
        self.tuning = tuning
        self.tuning_folder = tuning_folder
        self.verbose = verbose
        self.random_state = random_state

    @property
    def histories_(self) -> "list[TrainingHistory]":
        """Losses by epoch of each network of the last `fit`."""
        check_is_fitted(self, "bundle_")
        return self.fitted_.histories

    def embed(self, X: Any) -> NDArray[np.float32]:
        """Fused vectors `[n, fused_dim]` of items; NaN in rows that could not be read."""
        return self._predictor().embed(self._frame(X, reset=False))

    def similar(self, X: Any, k: int = 5) -> pd.DataFrame:
        """The `k` most similar training items of each item, see `Predictor.similar`."""
        return self._predictor().similar(self._frame(X, reset=False), k)

    def predict_table(self, X: Any) -> pd.DataFrame:
        """Every answer of every head, one row an item, see `Predictor.predict`."""
        return self._predictor().predict(self._frame(X, reset=False))

    def save(self, folder: str | Path) -> None:
        """Writes the trained model as a bundle."""
        from fusion.bundle import save_bundle

        check_is_fitted(self, "bundle_")
        save_bundle(replace(self.bundle_, info=info_to_save(self, self.bundle_.info)), folder)

    @classmethod
    def load(cls, folder: str | Path, **parameters: Any) -> Self:
        """An estimator that predicts with a saved bundle, with the parameters it was saved with.

        Args:
            folder: The bundle.
            parameters: Parameters that take the place of the saved ones, such as `photos` and
                `store` where they lie elsewhere now. `encoders` also says where the bundle's own
                checkpoint or weight file lies now, as `{"text": FOLDER}` or
                `{"image": {"weights": FILE}}`; other weights are refused, and modalities that are
                left out stay as they are. All others count at the next `fit`.

        Raises:
            BundleError: If the bundle is damaged, or an encoder cannot be found or is another.
            ConfigError: If a parameter or a choice of encoders is unknown.
        """
        from fusion.bundle import load_bundle

        estimator, bundle = loaded_estimator(cls, folder, parameters, load=load_bundle)
        estimator._adopt(bundle)
        return estimator

    def _adopt(self, bundle: "Bundle") -> None:
        self.bundle_ = bundle
        self.n_features_in_ = len(bundle.schema.all_columns)

    def _fit(self, X: Any, targets: Mapping[str, ArrayLike], rows: GivenRows) -> Self:
        from fusion.choices.labels import head_targets
        from fusion.fitting.kept_encoders import fit_better
        from fusion.fitting.spec import TrainingPaths, check_choices

        frame = self._frame(X, reset=True)
        mistakes = Mistakes()
        columns, heads = self._read_targets(targets, self._heads(mistakes, targets), mistakes)
        for name, values in columns.items():
            if len(values) != len(frame):
                raise ValueError(
                    f"{name} must have {len(frame)} rows as X, got {len(values)}. Give one target "
                    "for each row of X, in its order."
                )
        with mistakes.gathered():
            check_target_names(frame, columns)
        arrays = head_targets(heads, columns)
        spec = training_spec(self, heads, mistakes)
        paths = TrainingPaths()
        with mistakes.gathered():
            paths = training_paths(self)
        options = rows.checked(mistakes, n_rows=len(frame))
        checked = check_choices(frame, arrays, spec=spec, paths=paths, mistakes=mistakes)
        with progress_shown() if self.verbose else quiet() as stage:
            self.fitted_: Fitted = fit_better(
                checked,
                arrays,
                spec=spec,
                paths=paths,
                options=options,
                stage=stage,
            )
        for line in (*self.fitted_.leaks.values(), *self.fitted_.missing):
            say_once(line)
        self.bundle_ = self.fitted_.bundle
        self.bundle_.info["classes"] = np.asarray(getattr(self, "classes_", [])).tolist()
        return self

    def _read_targets(
        self,
        targets: Mapping[str, ArrayLike],
        heads: "Mapping[str, HeadChoice]",
        mistakes: Mistakes,
    ) -> "tuple[dict[str, NDArray[np.float64]], dict[str, HeadChoice]]":
        """Target columns `[n]` as numbers, or as positions of labels that the heads then know.

        Raises:
            CatalogueError: With every cell that is none.
        """
        from fusion.choices.labels import label_columns, read_label_targets, shared_label_mistakes

        given = {name: target_series(name, values) for name, values in targets.items()}
        mistakes.add(shared_label_mistakes(heads))
        labelled = read_label_targets(heads, given)
        raise_for(labelled.problems, source="y")
        mistakes.add(labelled.mistakes)
        numbers = {name: one for name, one in given.items() if name not in label_columns(heads)}
        return {**target_arrays(numbers), **labelled.positions}, labelled.heads

    def _heads(
        self, mistakes: Mistakes, targets: Mapping[str, ArrayLike]
    ) -> "dict[str, HeadChoice]":
        """What is asked, by the name of its target."""
        from fusion.choices.heads import chosen_heads

        head = self._default_head() if self.head is None else self.head
        heads = dict(head) if isinstance(head, Mapping) else dict.fromkeys(targets, head)
        return chosen_heads(heads, self.head_options, mistakes)

    def _default_head(self) -> str:
        """The head where none is asked for."""
        return self.default_head

    def _predictor(self) -> "Predictor":
        from fusion.predictor import Predictor

        check_is_fitted(self, "bundle_")
        paths = training_paths(self)
        return Predictor(
            self.bundle_,
            photos=paths.photos,
            store=paths.store,
            on_bad_rows=self.on_bad_rows,
        )

    def _frame(self, X: Any, *, reset: bool) -> pd.DataFrame:
        """X as `as_frame` gives it; arrays get the names x0, x1, ...

        Columns that it lacks are absent where bad rows are, and where it is made of dicts.
        """
        check_is_table(X)
        is_partial = not reset and (self.on_bad_rows == "absent" or is_records(X))
        X = frame_of_records(X) if is_records(X) else X
        table = X if isinstance(X, pd.DataFrame) else arrow_table(X)
        if table is None:
            numbers = check_array(X, dtype=None, ensure_all_finite="allow-nan", estimator=self)
            validate_data(self, numbers, reset=reset, skip_check_array=True)
            return as_frame(numbers)
        frame = as_frame(table)
        if is_partial:
            frame = self._completed(frame)
        if reset or hasattr(self, "feature_names_in_"):
            numbered = isinstance(X, pd.DataFrame) and is_unnamed(X.columns)
            validate_data(self, X if numbered else frame, reset=reset, skip_check_array=True)
        return frame

    def _completed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """A table with every column that `fit` saw, in its order; what it lacked is absent."""
        check_is_fitted(self, "bundle_")
        frame = with_absent_columns(frame, self.bundle_.schema, source="items")
        seen = list(getattr(self, "feature_names_in_", frame.columns))
        unused = dict.fromkeys(name for name in seen if name not in frame.columns)
        more = [name for name in frame.columns if name not in seen]
        wanted = [*seen, *more]
        return frame if wanted == list(frame.columns) else frame.assign(**unused)[wanted]

    def _answers(self, X: Any) -> pd.DataFrame:
        """Columns of the first head by their own names; bad rows stop here: arrays have no reasons.

        Classes are told by their labels.
        """
        predictor = self._predictor()
        table = predictor.predict(self._frame(X, reset=False))
        name, head = next(iter(self.bundle_.model.heads.items()))
        columns = {each.name: predictor.column_name(name, each.name) for each in head.columns}
        return pd.DataFrame({own: table[column] for own, column in columns.items()})

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.target_tags.required = True
        return tags
