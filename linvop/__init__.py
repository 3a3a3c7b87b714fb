r"""linvop: linear models of molecules from the external potential."""

__version__ = "0.1.0"
