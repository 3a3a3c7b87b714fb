r"""Exact angular momentum algebra for real spherical harmonics.

`real_harmonics`
    Real (solid) spherical harmonics and the matrix U that ties them to complex ones.
`clebsch_gordan`
    Clebsch-Gordan coefficients, complex and real, as exact square roots of rationals.
`characters`
    How many independent couplings there must be, in integers.
`symmetric_powers`, `trees`
    Which they are: powers of one irrep, and products of distinct ones.
`tables`, `product_tables`
    The same as float64 arrays, cached in memory and on disk; `tables` is the only module
    that turns an exact coefficient into a float.
`wigner`
    Rotation matrices D^l, from the tables and, for tests, exactly.

Conventions (m order, phases, the rule for real couplings) are those of
`linvop.conventions`. sympy is imported only where an exact number or null space is asked for, never
where the tables come from the disk.
"""
