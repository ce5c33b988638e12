"""A reduced explicit solver for crash of thin shells; it is no LS-DYNA.

Belytschko-Lin-Tsay quadrilaterals with plane-stress J2 plasticity, central differences, penalty
contact with one rigid plane or cylinder and of the mesh with itself, and a ledger of energies.
Units: mm, ms, kg; hence kN, GPa, J, m/s. It has no failure, thinning, triangles or welds, no
contact of edges with edges, no bending correction of warped elements, and an impactor never turns.

`run.solve(shell, impactor, duration=...)` runs one; `model` says what it takes.
"""
