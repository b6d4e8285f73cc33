from dataclasses import dataclass
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fusion.choices.mistakes import Mistakes, RunSettings, checked_settings
from fusion.errors import ConfigError


@dataclass(frozen=True)
class Photo:
    crop: float = 1.0


class Head(BaseModel):
    model_config = ConfigDict(extra="forbid")
    target: str
    kind: Literal["volume", "hot"] = "hot"


class Job(RunSettings):
    epochs: int = Field(default=1, ge=1)
    photo: Photo = Photo()
    spare: Photo | None = None
    heads: list[Head] = Field(default_factory=list)

    @classmethod
    def place_of(cls, key):
        return "It stands under [photo]." if key in Photo.__annotations__ else ""

    @model_validator(mode="after")
    def _few(self):
        if self.epochs > 9:
            raise ValueError("epochs must be 9 at most.")
        return self


def told(values):
    with pytest.raises(ConfigError) as error:
        checked_settings(Job, values, source="job.toml")
    return str(error.value).splitlines()


def test_sound_values_become_settings():
    job = checked_settings(Job, {"photo": {"crop": 0.5}, "heads": [{"target": "a"}]}, source="x")
    assert job == Job(photo=Photo(0.5), heads=[Head(target="a")])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"epoch": 3}, "epoch: key must be one of epochs, heads, photo, spare, got 'epoch'."),
        (
            {"crop": 1},
            "crop: key must be one of epochs, heads, photo, spare, got 'crop'. It stands under "
            "[photo].",
        ),
        ({"photo": {"corp": 1}}, "photo.corp: key must be one of crop, got 'corp'."),
        ({"spare": {"corp": 1}}, "spare.corp: key must be one of crop, got 'corp'."),
        ({"heads": [{"target": "a", "targ": 1}]}, "heads.0.targ: key must be one of kind, target,"),
        ({"heads": [{}]}, "heads.0.target: must be given."),
        (
            {"heads": [{"target": "a", "kind": "volumes"}]},
            "heads.0.kind: value must be one of hot, volume, got 'volumes'. Did you mean 'volume'?",
        ),
        ({"epochs": 0}, "epochs: must be greater than or equal to 1, got 0."),
        ({"epochs": 10}, "epochs must be 9 at most."),
        (3, "must be a valid dictionary or instance of Job, got 3."),
    ],
)
def test_a_mistake_names_its_place_and_what_is_valid(values, said):
    first, mistake = told(values)
    assert first == "job.toml has 1 mistake:"
    assert mistake.startswith(f"  - {said}")


def test_every_mistake_is_told_at_once():
    lines = told({"epochs": 0, "photo": {"corp": 1}, "heads": [{"targ": 1}], "extra": 1})
    assert lines[0] == "job.toml has 5 mistakes:" and len(lines) == 6
    assert any("Did you mean 'crop'?" in line for line in lines)


def test_mistakes_of_mistakes_are_one_flat_list_each_told_once():
    inner, outer = Mistakes(), Mistakes()
    inner.add(["a must be b.", "c must be d."])
    outer.add(["e must be f.", "a must be b."])
    with outer.gathered():
        inner.refuse()
    with pytest.raises(ConfigError) as error:
        outer.refuse()
    lines = str(error.value).splitlines()
    assert lines == ["3 mistakes:", "  - e must be f.", "  - a must be b.", "  - c must be d."]


def test_one_mistake_alone_is_raised_as_it_is_and_none_not_at_all():
    mistakes = Mistakes()
    mistakes.refuse()
    with mistakes.gathered():
        raise FileNotFoundError("gone")
    assert mistakes
    with pytest.raises(FileNotFoundError, match="gone"):
        mistakes.refuse()
