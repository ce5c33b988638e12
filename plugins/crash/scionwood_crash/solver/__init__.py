"""A reduced explicit solver for crashes of thin shells; it does not replace LS-DYNA.

Belytschko-Lin-Tsay quadrilaterals with plane-stress J2 plasticity, central differences, penalty
contact with one rigid plane or cylinder and of the mesh with itself, ties between pieces such as
spot welds, and an energy balance.
Units: mm, ms, kg; hence kN, GPa, J, m/s.

It has no failure of sheets or welds, no thinning, no triangles, no contact between edges, no
bending correction of warped elements, and the impactor does not rotate.

`run.solve(shell, impactor, duration=...)` runs a simulation; `model` defines its input.
"""
