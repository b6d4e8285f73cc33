"""The questions of a training job: tables `[[heads]]` of its file, and what each is called."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pydantic import Field, field_validator

from fusion.choices.heads import HeadChoice
from fusion.job_steps.sections import Section, known_name
from fusion.plugins import known_names


class HeadSection(Section):
    """One question: a head on a target column, or on the columns of its steps in their order."""

    head: str
    target: str | list[str]
    name: str | None = Field(
        default=None, min_length=1, description="What the answer is called; else see `head_names`."
    )
    options: dict[str, Any] = Field(default_factory=dict)
    decoder: str | None = Field(
        default=None, description="How networks answer it; else as its head suggests."
    )

    @field_validator("head")
    @classmethod
    def _known_head(cls, head: str) -> str:
        return known_name("head", head, known_names("head"))

    @field_validator("target")
    @classmethod
    def _different_columns(cls, target: str | list[str]) -> str | list[str]:
        names = [target] if isinstance(target, str) else target
        if not names or len(set(names)) < len(names):
            raise ValueError(f"must be one column, or different ones in a list, got {target}.")
        return target

    @field_validator("decoder")
    @classmethod
    def _known_decoder(cls, decoder: str | None) -> str | None:
        return None if decoder is None else known_name("decoder", decoder, known_names("decoder"))

    @property
    def columns(self) -> tuple[str, ...]:
        """Its target columns."""
        return (self.target,) if isinstance(self.target, str) else tuple(self.target)


def head_names(sections: Sequence[HeadSection]) -> list[str]:
    """A name for each question, that of its head where no other has it.

    Where questions share their head, each gets the target behind it, where these differ; where
    they share that as well, the options that differ.

    Raises:
        ValueError: If two of them cannot be told apart.
    """
    names = [section.name or section.head for section in sections]
    for more in (_target_of, _options_of):
        counts = Counter(names)
        alike = {
            name: [section for section, own in zip(sections, names, strict=True) if own == name]
            for name in counts
        }
        names = [
            name
            if counts[name] == 1 or section.name
            else "_".join([name, *more(section, alike[name])])
            for section, name in zip(sections, names, strict=True)
        ]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(
            f"names must differ, got {', '.join(twice)} more than once. Give each of these heads a "
            "name of its own (name = ...), or leave one out."
        )
    return names


def head_choices(sections: Sequence[HeadSection]) -> dict[str, HeadChoice]:
    """Head choices by a name that tells them apart."""
    return {
        name: HeadChoice(
            section.head,
            target=section.target if isinstance(section.target, str) else section.columns,
            options=section.options,
            decoder=section.decoder,
        )
        for name, section in zip(head_names(sections), sections, strict=True)
    }


def _target_of(section: HeadSection, alike: Sequence[HeadSection]) -> list[str]:
    return list(section.columns) if len({other.columns for other in alike}) > 1 else []


def _options_of(section: HeadSection, alike: Sequence[HeadSection]) -> list[str]:
    return [
        f"{value}".replace(".", "_")
        for key, value in section.options.items()
        if any(other.options.get(key) != value for other in alike)
    ]
