"""Reference energies: what labels determine, and what is refused."""

from __future__ import annotations

import pytest

from scionwood_atoms.model.reference import OffsetError, reference

E0 = {"C": -1027.0, "H": -13.5, "O": -2041.0}
ACAC, ETHANOL, WATER = {"C": 5, "H": 8, "O": 2}, {"C": 2, "H": 6, "O": 1}, {"H": 2, "O": 1}


def label(composition: dict[str, int]) -> float:
    return sum(count * E0[name] for name, count in composition.items())


def test_as_many_compositions_as_elements_give_the_exact_energies():
    seen = [ACAC, ETHANOL, WATER]
    found = reference(seen, [label(c) for c in seen], [0.0, 0.0, 0.0])
    assert found.rank == 3
    assert found.energies == pytest.approx(E0, abs=1e-6)


def test_one_composition_without_isolated_atoms_is_refused_with_the_remedy():
    with pytest.raises(
        OffsetError, match=r"1 independent composition of C, H, O.*Add isolated.*data\.reference"
    ):
        reference([ACAC, ACAC], [label(ACAC)] * 2, [0.0, 0.0])


def test_isolated_atoms_carry_to_a_composition_that_the_labels_do_not_fix():
    found = reference([ACAC], [label(ACAC) + 0.3], [0.0], isolated=E0)
    assert found.of(ACAC) == pytest.approx(label(ACAC) + 0.3, abs=1e-6)
    assert found.of(ETHANOL) == pytest.approx(label(ETHANOL), abs=0.3)
    assert found.is_seen(ACAC)
    assert found.is_seen({"C": 10, "H": 16, "O": 4})
    assert not found.is_seen(ETHANOL)


def test_an_element_without_a_label_is_refused():
    with pytest.raises(OffsetError, match="element Si: no label has it; known are C, H, O"):
        reference([ACAC], [label(ACAC)], [0.0], isolated=E0).of({"Si": 1})
