"""What Scionwood brings may be used and passed on by anybody."""

import re
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
from case_table import table

pytest.importorskip("sphinx")
sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "_ext"))

from licences import packages

REFUSED = re.compile(
    r"(?<!L)(?<!Lesser )\b(AGPL|GPL|GNU (Affero )?General|SSPL|BUSL)|Non-?Commercial"
)


@pytest.fixture(scope="module")
def brought():
    roots = [each.metadata["Name"] for each in distributions()]
    return packages([name for name in roots if name.startswith("scionwood")])


def test_every_package_states_a_licence_that_lets_all_use_it(brought):
    silent = {package.name for package in brought if package.licence == "not stated"}
    assert silent <= {"cuda-toolkit"}  # names NVIDIA's packages, which state theirs; holds no file
    assert [package for package in brought if REFUSED.search(package.licence)] == []


def test_a_package_names_who_brings_it(brought):
    users = {package.name: package.users for package in brought}
    assert users["segyio"] == ("scionwood-seismic",)
    assert "scionwood" in users["torch"]
    assert "scionwood" not in users


@table(
    "licence", ["GPL-3.0-or-later", "GNU General Public License v3", "AGPL-3.0", "NonCommercial"]
)
def test_a_licence_that_binds_others_would_be_noticed(licence):
    assert REFUSED.search(licence)


@pytest.mark.parametrize("licence", ["LGPL-3.0-or-later", "GNU Lesser General Public License v3"])
def test_a_library_licence_is_allowed(licence):
    assert not REFUSED.search(licence)
