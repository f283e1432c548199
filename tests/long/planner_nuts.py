"""The variational posterior of where and how against NUTS on the same data: planner_nuts.py [--seeds N]

Prints per outcome: correlation of the posterior means over the cells with data, the mean difference of means in
posterior deviations, and the ratio of the deviations. About a minute a seed on 2 cores.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from jnas.benchmarks.calibration import simulate
from jnas.planning import effects


def nuts(cells: tuple, state: int, seed: int, samples: int) -> np.ndarray:
    """Draws of the linear predictors: (samples, OUTCOMES, kinds, ways, families, depths)."""
    import jax
    from numpyro.infer import MCMC, NUTS

    chain = MCMC(NUTS(effects.model), num_warmup=samples, num_samples=samples, progress_bar=False)
    chain.run(jax.random.key(seed), *cells)
    sites = {name: chain.get_samples()[name] for name in ("intercepts", "scaled")}
    return np.asarray(jax.vmap(lambda draw: effects.everywhere(draw, state))(sites), float)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=300)
    options = parser.parse_args()
    for seed in range(options.seeds):
        _, tables, state = simulate(seed)
        ours = effects.draw(tables, seed, state)
        theirs = nuts(effects.observed(tables), state, seed, options.samples)
        for i, outcome in enumerate(effects.OUTCOMES):
            binary = outcome in effects.BINARY
            exact = 1 / (1 + np.exp(-theirs[:, i])) if binary else theirs[:, i]
            seen = tables.counts[i][..., state] > 0
            mean, other = ours[outcome].mean(0)[seen], exact.mean(0)[seen]
            deviation, truth = ours[outcome].std(0)[seen], exact.std(0)[seen]
            print(
                f"seed {seed} {outcome:<10} correlation {np.corrcoef(mean, other)[0, 1]:.3f}"
                f"  difference {np.mean((mean - other) / truth):+.2f} deviations"
                f"  spread {np.mean(deviation / truth):.2f}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
