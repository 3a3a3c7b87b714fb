r"""What the features are, by name: labels of columns and their enumeration."""
