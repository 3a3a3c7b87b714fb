r"""What follows from an operator: orbitals, density, moments, populations, energy."""
