r"""Atomic orbitals: shells and their layout, orders, blocks and irreps."""
