r"""Rotations drawn uniformly from SO(3)."""

from __future__ import annotations

import numpy as np

__all__ = ["random_rotation"]


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    r"""Return a proper rotation matrix (3, 3), uniform over SO(3).

    A quaternion (w, v) uniform on the 3-sphere, R = (w^2 - v.v) I + 2 v v^T + 2 w [v]_x.
    """
    q = rng.normal(size=4)
    w, *v = q / np.linalg.norm(q)
    x, y, z = v
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return (w * w - np.dot(v, v)) * np.eye(3) + 2 * np.outer(v, v) + 2 * w * cross
