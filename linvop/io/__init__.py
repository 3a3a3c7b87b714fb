r"""Files in and out: structures, data sets and models, whole or not at all.

`atomic` (write beside, rename), `hdf5` (seal, header, checks), `frames` (what is asked of
a structure), `labels` (where labels are, in which unit), `records` (one labelled structure),
`dataset` (many of them in HDF5), `structures` (extended XYZ and what ASE reads).
"""
