"""Values that are planted into every attribute of Table E.1-1 are found, and are gone in a copy."""

import copy
from io import BytesIO

import pydicom
import pytest
from pydicom.datadict import keyword_for_tag

from scionwood_deid.choices import Profile
from scionwood_deid.dicom_copy import copy_file
from scionwood_deid.keys import Key
from scionwood_deid.order import Order
from scionwood_deid.pixels import PixelPolicy
from scionwood_deid.verifying import content_of

from .planting import SMALL, of_dictionary, of_table, plant, sample, survivors

KEY = Key("a secret of the tests")


def copied(path, profile=None):
    made = copy_file(path, Order(KEY, profile or Profile(), PixelPolicy(viewed=True)), "copy.dcm")
    return made, pydicom.dcmread(BytesIO(made.data.tobytes()))


@pytest.fixture(scope="module")
def clean():
    """A verified copy of a CT slice."""
    made, dataset = copied(SMALL)
    assert made.removed
    return dataset


def test_no_value_planted_by_the_table_survives(tmp_path):
    dataset = sample()
    planted = plant(dataset, of_table())
    dataset.save_as(tmp_path / "planted.dcm")
    made, back = copied(tmp_path / "planted.dcm")
    assert len(planted) == 623
    assert survivors(dataset, planted) == [keyword_for_tag(tag) for tag in planted]
    assert survivors(back, planted) == []
    assert made.removed
    assert b"SECRET" not in made.data.tobytes()


@pytest.mark.slow
def test_of_the_rest_of_the_dictionary_only_numbers_survive(tmp_path):
    dataset = sample()
    planted = plant(dataset, of_dictionary())
    dataset.save_as(tmp_path / "planted.dcm")
    made, back = copied(tmp_path / "planted.dcm")
    left = survivors(back, planted)
    assert len(planted) > 4000
    assert len(left) <= 70
    assert {back[name].VR for name in left} <= {"DS", "IS", "US", "SS", "FD", "FL", "OW"}
    assert b"SECRETTEXT" not in made.data.tobytes()


def test_the_verifier_finds_each_planted_value_by_itself(clean):
    missed = []
    for tag in of_table():
        dataset = pydicom.Dataset()
        dataset.file_meta, dataset.preamble = clean.file_meta, bytes(128)
        for name in ("SOPClassUID", "DeidentificationMethodCodeSequence"):
            dataset[name] = copy.copy(clean[name])
        plant(dataset, [tag])
        if content_of(dataset).clean:
            missed.append(keyword_for_tag(tag))
    assert missed == []
    assert content_of(clean).clean
