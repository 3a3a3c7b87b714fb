r"""Pairs of CH4 that three bodies about carbon do not tell apart: what does, and what it is worth.

The members of a pair (`linvop.sampling.methane`) have the same (r_i, r_j, angle) about carbon and
are not congruent. Every function of carbon and two hydrogens, summed, is the same for both; so are
all sums over pairs of atoms. What couples three hydrogens differs: the triangles H, H, H, and four
atoms C, H, H, H. Therefore the bodies of a feature (design: V^kappa on site has 2 kappa, a pair's
2 kappa + 1, a product of nu factors V has nu + 1) decide:

- V on site, sum_K Z_K R(r_iK) Y(r_iK): two bodies, the same.
- Products of two of these on carbon, which is what SOAP's power spectrum is: C, K, K', the same;
  of three, as the bispectrum: C, K, K', K'', different. On hydrogen two already differ (H, H, H).
- Carbon's V^2 = sum_j V_Cj V_jC. Through its own AOs (j = C) it is such a product of two: the same.
  Through hydrogen's it couples C, j, K, K': different. So plain powers differ from kappa = 2 on.
- Of V itself the blocks H-H' differ, by the attraction of the third hydrogen; that of carbon is the
  same, and so is the block C-H as long as it is linear, of which the nuclei make C, H, K.

The paper's claim: V tells structures apart where SOAP's power spectrum does not, and energies of
such structures become learnable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.io.structures import labels
from linvop.sampling.methane import degenerate_methanes
from paper_reproduction.degenerate_blocks import BLOCKS, block_rows
from paper_reproduction.degenerate_features import AO, SOAP, distances, families
from paper_reproduction.degenerate_fits import floor, floors, learning_curves, pooled
from paper_reproduction.degenerate_picture import draw
from paper_reproduction.labels import labelled
from paper_reproduction.sets import level_of
from paper_reproduction.study import Claim, Measured, Setting, has_featomic

if TYPE_CHECKING:
    from ase import Atoms

    from linvop.io.dataset import Dataset

__all__ = ["DIFFERENT", "SAME", "TITLE", "draw", "run"]

TITLE = "Structures that three bodies about an atom do not tell apart"

SAME, DIFFERENT = 1e-12, 1e-9
"""Relative distances: at most, of every pair, of what is shared; at least of what is not."""

_SPLITS = 5


def run(setting: Setting) -> Measured:
    """Distances of the members' features and blocks, and energies."""
    n_pairs = setting.pick(25, 250)
    sizes = setting.pick([5, 10, 20], [10, 25, 50, 100, 200])
    n_test = n_pairs - max(sizes)
    peers = has_featomic()
    data = labelled(
        "degenerate-methanes",
        degenerate_methanes(n_pairs),
        setting,
        method="rhf",
        ao=setting.pick("sto-3g", "def2-svp"),
        quantities=("energy",),
    )
    frames = _whole_pairs(data)
    energies = np.asarray(labels(frames, "energy"))
    setting.say("features")
    made = families(frames, peers)
    known: dict[str, Any] = {
        "features": [
            {
                "kind": f.kind,
                "centre": f.centre,
                "bodies": f.bodies,
                "columns": f.rows.shape[1],
                "same": f.same,
                "distance": _spread(f.rows),
            }
            for f in made
        ],
        "blocks": [
            {"kind": name, "same": BLOCKS[name], "distance": _spread(rows)}
            for name, rows in block_rows(frames, AO).items()
        ],
        "limits": [SAME, DIFFERENT],
        "sizes": [2 * n for n in sizes],
        "floor": floor(energies),
        "floors": floors(energies, max(sizes), n_test, _SPLITS),
        "energy differences": np.abs(energies[::2] - energies[1::2]).tolist(),
        "energy spread": float(energies.std()),
        "curves": learning_curves(made, energies, sizes, n_test, _SPLITS, setting.say),
    }
    words = (
        f"{len(frames) // 2} pairs of CH4 sampled here, {level_of(data)} energies; V in {AO}; "
        f"{n_test} pairs for testing, {_SPLITS} splits by pairs."
    )
    return Measured(words, known, _claims(known), _notes(known))


def _whole_pairs(data: Dataset) -> list[Atoms]:
    """Without a member that has lost its other to an SCF that does not converge."""
    pairs = [int(record.source_index) // 2 for record in data]
    return [a for a, pair in zip(data.frames(), pairs, strict=True) if pairs.count(pair) == 2]


def _spread(rows: np.ndarray) -> list[float]:
    """Least, median and largest distance of members."""
    d = distances(rows)
    return [float(d.min()), float(np.median(d)), float(d.max())]


def _claims(known: Mapping[str, Any]) -> list[Claim]:
    of = {(f["kind"], f["centre"]): f["distance"] for f in known["features"]}
    rmse = {name: pooled(one["rmse"])[-1] for name, one in known["curves"].items()}
    least = float(pooled(known["floors"]))
    text = "V's features tell apart degenerate structures that SOAP's power spectrum does not"
    soap, about_c = of.get(("SOAP power spectrum", "C")), of["plain powers, $V^2$", "C"]
    if soap is None:
        first = Claim(text, "SOAP needs featomic", "not tested")
    else:
        first = Claim.decided(
            text,
            f"relative distance of members, about carbon: SOAP at most {soap[2]:.0e}, V^2 at "
            f"least {about_c[0]:.0e}",
            soap[2] < SAME and about_c[0] > DIFFERENT,
        )
    best = min((n for n in rmse if not n.startswith(("SOAP", "bispectrum"))), key=rmse.__getitem__)
    learnt = Claim.decided(
        "Energies of the degenerate structures become learnable from V",
        f"RMSE of {best}: {rmse[best]:.2f} eV, of plain powers to 3: "
        f"{rmse['plain powers to 3']:.2f} eV; floor of models that cannot tell members apart "
        f"{least:.2f} eV",
        rmse[best] < least / 2,
    )
    return [first, learnt, _bodies(known), *_about_carbon(rmse, least)]


def _bodies(known: Mapping[str, Any]) -> Claim:
    """Every kind and block is as its bodies say."""
    every = [*known["features"], *known["blocks"]]
    wrong = [
        f["kind"]
        for f in every
        if not (f["distance"][2] < SAME if f["same"] else f["distance"][0] > DIFFERENT)
    ]
    shared = max(f["distance"][2] for f in every if f["same"])
    other = min(f["distance"][0] for f in every if not f["same"])
    return Claim.decided(
        "The bodies that a feature or a block of V couples say whether it tells members apart",
        f"{len(every) - len(wrong)} of {len(every)} as foreseen: shared ones differ by at most "
        f"{shared:.0e}, others by at least {other:.0e}",
        not wrong,
        source="linvop",
    )


def _about_carbon(rmse: Mapping[str, float], least: float) -> list[Claim]:
    """What each model about carbon alone does beside the floor."""
    two, three = rmse["products of 2, about C"], rmse["products of 3, about C"]
    found = [
        Claim.decided(
            "Carbon's products of two V stay above the floor, those of three fall below",
            f"{two:.2f} and {three:.2f} eV, floor {least:.2f} eV",
            two >= least * (1 - 1e-6) and three < least,
            source="linvop",
        )
    ]
    text = "linvop's best model errs no more than SOAP about all atoms"
    if "SOAP" not in rmse:
        return [*found, Claim(text, "SOAP needs featomic", "not tested", source="linvop")]
    own = [n for n in rmse if n.startswith(("shell", "products"))]
    best = min(own, key=rmse.__getitem__)
    return [
        *found,
        Claim.decided(
            text,
            f"{best}: {rmse[best]:.2f} eV; SOAP: {rmse['SOAP']:.2f} eV",
            rmse[best] <= rmse["SOAP"],
            source="linvop",
        ),
    ]


def _notes(known: Mapping[str, Any]) -> list[str]:
    differences = np.asarray(known["energy differences"])
    gains = {n: pooled(c["rmse"])[-1] / pooled(c["rmse"])[-2] for n, c in known["curves"].items()}
    more = ", ".join(f"{name} {gain:.2f}" for name, gain in gains.items())
    return [
        "Distance: |x+ - x-| over the root mean square of |x|, of features summed over atoms of "
        "the centre's species; bars from the least to the largest of all pairs, grey what the "
        "bodies say is shared; the grey band lies between what counts as the same and as "
        "different. V's distances are small because |x| has carbon's core in it, not because the "
        "members are hard to tell apart.",
        "Bodies decide: three about carbon (SOAP, two factors V, V^2 through carbon) and two "
        "anywhere are shared; V^2 through hydrogen couples C, H, K, K'. Of V itself the block H-H' "
        "differs by the attraction of the third hydrogen alone.",
        "Hydrogen's three bodies have the triangles H, H, H in them: SOAP about all atoms is not "
        "degenerate here, and structures exist that are for all atoms at once.",
        "What the last doubling of the training set leaves of the error (near one: the features "
        f"end it, not the data; bodies again): {more}.",
        f"Members' energies differ by {np.median(differences):.1f} eV (median; at most "
        f"{differences.max():.1f}); the set spreads {known['energy spread']:.1f} eV.",
        f"{SOAP}; bispectrum: the same expansion coupled with linvop's coefficients, beside the "
        "power spectrum. Ridge, one constant, alpha by leave-one-pair-out for all; linvop's "
        "columns cost as in PropertyModel.",
    ]


if __name__ == "__main__":
    from paper_reproduction.running import main

    main("degeneracy")
