"""What `bundle.json` must hold: one schema, and messages that say where it does not fit."""

import copy
import json

import pytest

from fusion.bundle.document import BUNDLE, FORMAT
from fusion.bundle.kinds import MOST_VALUES, parsed_document
from fusion.errors import BundleError

FILE = {"sha256": "0" * 64, "size_bytes": 1}
DOCUMENT = {
    "format": FORMAT,
    "made_with": {"torch": "2.11"},
    "schema": {"columns": {}},
    "encoders": {"numeric": {"name": "numeric", "config": {}, "fingerprint": "a", "origin": None}},
    "heads": {
        "units": {"name": "regression", "config": {}, "target": ["units"], "description": "Units."}
    },
    "members": {"woods": {"name": "trees", "config": {}, "files": ["woods.0.txt"]}},
    "stack": {"weights": {"units": {"woods": 1.0}}, "new_weights": None},
    "info": {},
    "files": dict.fromkeys(("weights.safetensors", "reference.safetensors", "woods.0.txt"), FILE),
}
GONE = object()
DEEP = json.loads("[" * 50 + "]" * 50)


def parsed(document):
    return parsed_document(json.dumps(document).encode(), BUNDLE)


def changed(place, value):
    document = copy.deepcopy(DOCUMENT)
    *before, last = place.split(" ")
    inner = document
    for key in before:
        inner = inner[key]
    if value is GONE:
        del inner[last]
    else:
        inner[last] = value
    return document


def test_a_description_is_read_as_what_it_says():
    document = parsed(DOCUMENT)
    assert document.members["woods"].files == ["woods.0.txt"]
    assert document.stack.weights == {"units": {"woods": 1.0}}
    assert document.encoders["numeric"].origin is None


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("members", GONE, "members of bundle.json must be there, got none"),
        ("members", [], r"members of bundle.json must be an object, got \[\]"),
        ("members", {}, "members of bundle.json must have at least 1, got {}"),
        ("members woods name", 1, "members.woods.name of bundle.json must be a text, got 1"),
        ("members ../x", DOCUMENT["members"]["woods"], r"members.names of .* must match .*'../x'"),
        ("members a\n", DOCUMENT["members"]["woods"], r"must match .*, got 'a\\n'"),
        ("members woods files", ["../woods.0.txt"], r"members.woods.files.0 of .* must match"),
        ("members woods files", ["other.0.txt"], "files of member woods must begin with its name"),
        ("members woods files", ["woods.1.txt"], r"files of .* must be .* woods.1.txt, each once"),
        ("members woods files", [], "files of bundle.json must be weights.safetensors, reference"),
        ("members woods files", ["woods.0.txt"] * 2, "each once"),
        ("more", 3, "more of bundle.json must not be there, got 3"),
        ("heads units more", 3, "heads.units.more of bundle.json must not be there, got 3"),
        ("heads units target", [], r"heads.units.target of bundle.json must have at least 1"),
        ("heads units target", "ab", "heads.units.target of bundle.json must be a list, got 'ab'"),
        ("heads units target", ["a"] * 2000, "target of bundle.json must have at most 1000"),
        ("heads units config", DEEP, "heads.units.config of bundle.json must be an object"),
        ("heads units config", {"a": DEEP}, "must not be nested more than 30 deep"),
        ("encoders numeric origin", 3, "encoders.numeric.origin of .* must be an object, got 3"),
        ("stack new_weights", 3, "stack.new_weights of bundle.json must be an object, got 3"),
        ("stack weights units woods", 1.5, "stack.weights.units.woods of .* must be at most 1"),
        ("stack weights units woods", True, "stack.weights.units.woods of .* must be a number"),
        ("files weights.safetensors size_bytes", 1.5, "size_bytes of .* must be a whole number"),
        ("files weights.safetensors size_bytes", -1, "size_bytes of .* must be at least 0, got -1"),
        ("files weights.safetensors sha256", "x", r"sha256 of .* must match \^\[0-9a-f\]"),
    ],
)
def test_each_fault_is_named_with_its_place_and_what_is_there(place, value, message):
    with pytest.raises(BundleError, match=message):
        parsed(changed(place, value))


def test_several_faults_are_told_together_but_not_without_end():
    document = {**changed("schema", 3), "encoders": dict.fromkeys("abcdef", 1)}
    with pytest.raises(BundleError) as failure:
        parsed(document)
    told = str(failure.value)
    assert "schema of bundle.json must be an object, got 3; encoders.a of bundle.json" in told
    assert "and more" in told and "encoders.f" not in told


def test_a_description_of_too_many_values_is_refused_before_it_is_read():
    content = json.dumps(DOCUMENT).encode()[:-1] + b', "x": [' + b"0," * MOST_VALUES + b"0]}"
    with pytest.raises(BundleError, match="must hold at most 4,194,304 values"):
        parsed_document(content, BUNDLE)


@pytest.mark.parametrize("number", [3, 4, 5, 6, 7, 8, 9, 11, True, 10.0, "10", None, []])
def test_every_other_format_is_refused_in_a_sentence_that_says_what_to_do(number):
    with pytest.raises(BundleError) as failure:
        parsed_document(
            json.dumps({"format": number, "n_networks": 1, "files": []}).encode(), BUNDLE
        )
    told = str(failure.value)
    assert told.startswith("format must be 10, got")
    assert told.endswith("load it there, or train again with this one.")
