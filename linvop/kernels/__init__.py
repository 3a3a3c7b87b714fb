r"""Arrays in, arrays out: the plan of a basis, its definition in NumPy, its Numba form."""
