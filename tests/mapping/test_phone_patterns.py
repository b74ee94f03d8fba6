"""Numbers that begin alike are judged alike: what is looked up is what the patterns say."""

from __future__ import annotations

import random
import re
from re import _parser as parser  # type: ignore[attr-defined] # no public parser of patterns

import numpy as np
import phonenumbers
import pytest

from importer.mapping.phone_bytes import Dialled
from importer.mapping.phone_patterns import Patterns, _shape, patterns_of
from importer.textbytes import arrow_texts

NUMBERS_EACH = 400


def plain_regions() -> dict[str, Patterns]:
    found = {}
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        metadata = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
        if metadata is not None and (patterns := patterns_of(metadata, shared=True)) is not None:
            found[region] = patterns
    return found


def test_what_is_looked_up_is_what_the_patterns_say_in_every_region() -> None:
    draw, regions = random.Random(11), plain_regions()
    looked_up = valid = 0
    for region, patterns in regions.items():
        metadata = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
        known = phonenumbers.example_number(region)
        assert metadata is not None
        assert metadata.general_desc is not None
        assert known is not None
        example = phonenumbers.national_significant_number(known)
        numbers = [example]
        for _ in range(NUMBERS_EACH):
            length = draw.choice([*metadata.general_desc.possible_length, draw.randrange(1, 20)])
            kept = example[: draw.randrange(len(example))]
            numbers.append((kept + "".join(draw.choices("0123456789", k=20)))[:length])
        texts = arrow_texts(numbers)
        places, behind = np.arange(len(numbers)), np.zeros(len(numbers), dtype=np.int64)
        for _ in range(2):  # learnt, and remembered
            found = patterns.allow(Dialled(texts), places, behind)
            assert found.tolist() == patterns.allow_texts(texts).tolist(), region
        valid += bool(found[0])
        looked_up += patterns.decisive is not None
    assert looked_up > 150
    assert valid > 0.8 * len(regions)


@pytest.mark.parametrize(
    ("pattern", "lengths", "depth"),
    [
        (r"\d{9}", {9}, 0),
        (r"[1-9]\d{7}", {8}, 1),
        (r"[0-9]{2}7\d", {4}, 3),
        (r"(?:1\d|[27][2-9]|680[29])\d{6}", {8, 10}, 4),
        (r"\d(?:5\d)?\d{2}", {3, 5}, 2),
        (r"\d{1,3}4\d{2}", {4, 5, 6}, 4),
        (r"(?:12){2}\d", {5}, 4),
        (r"1|23\d", {1, 3}, 2),
    ],
)
def test_a_pattern_has_lengths_and_looks_at_so_many_first_digits(
    pattern: str, lengths: set[int], depth: int
) -> None:
    shape = _shape(parser.parse(pattern))
    assert shape is not None
    assert (set(shape.lengths), shape.depth) == (lengths, depth)
    draw = random.Random(pattern)
    for _ in range(500):
        length = draw.choice([*lengths, draw.randrange(1, 12)])
        number = "".join(draw.choices("01234567", k=length))
        other = number[:depth] + "".join(draw.choices("0123456789", k=max(length - depth, 0)))
        same = [bool(re.fullmatch(pattern, text)) for text in (number, other)]
        assert same[0] == same[1], (number, other)
        assert len(number) in lengths or not same[0]


@pytest.mark.parametrize("pattern", [r"(?!12)\d{3}", r"\d+", r"(\d)\1", r"1.2", r"^1"])
def test_a_pattern_of_which_that_cannot_be_told_has_no_shape(pattern: str) -> None:
    assert _shape(parser.parse(pattern)) is None
