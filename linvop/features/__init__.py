r"""From structures to feature arrays: `Basis`, metrics, contractions, design rows."""
