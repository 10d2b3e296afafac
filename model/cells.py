"""What every cell of a group contributes: exact path-dependent Shapley values, in double precision.

For a leaf of value v whose path splits on k features, with a_i = the row satisfies the path on feature i and b_i =
its product of cover ratios there, the Shapley value of feature i in the game v * prod(a or b) is
phi_i = v * integral over t in [0, 1] of (a_i - b_i) * prod over j != i of (b_j + t (a_j - b_j)).
The integrand is a polynomial of degree k - 1, which Gauss-Legendre with 8 points integrates exactly to k = 16.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.compiled import njit
from model.grouping import is_chain, popcount

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
POINTS = (_NODES + 1.0) / 2.0
WEIGHTS = _WEIGHTS / 2.0


@njit()
def satisfied_conditions(
    cell: int, features: NDArray[np.uint64], radix: NDArray[np.int64], missing_right: np.uint64
) -> np.uint64:
    """Return the conditions that hold in a cell; `features` are the group's conditions of each of its features."""
    satisfied = np.uint64(0)
    for feature in range(len(features)):
        digit = cell % radix[feature]
        cell //= radix[feature]
        conditions = features[feature]
        chain = is_chain(conditions, missing_right)
        position = 0
        while conditions:
            bit = conditions & (~conditions + np.uint64(1))
            if (position < digit) if chain else (digit >> position) & 1:
                satisfied |= bit
            conditions ^= bit
            position += 1
    return satisfied


@njit()
def radices(features: NDArray[np.uint64], missing_right: np.uint64) -> NDArray[np.int64]:
    """Return the number of digits of each feature of a group."""
    radix = np.empty(len(features), dtype=np.int64)
    for feature in range(len(features)):
        n = popcount(features[feature])
        radix[feature] = n + 1 if is_chain(features[feature], missing_right) else 1 << n
    return radix


@njit()
def cell_values(
    features: NDArray[np.uint64],
    missing_right: np.uint64,
    left: NDArray[np.uint64],
    right: NDArray[np.uint64],
    value: NDArray[np.float64],
    cover: NDArray[np.float64],
    points: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the sum over the group's leaves of their Shapley values, shape [feature of the group, cell].

    features: the group's conditions of each of its features; left, right, value: of the group's leaves;
    cover: [leaf, feature of the group].
    """
    radix = radices(features, missing_right)
    k = len(features)
    cells = 1
    for feature in range(k):
        cells *= radix[feature]
    values = np.zeros((k, cells))
    on_path = np.empty(k, dtype=np.int64)
    a = np.empty(k)
    b = np.empty(k)
    before = np.empty(k + 1)
    integral = np.empty(k)
    for cell in range(cells):
        satisfied = satisfied_conditions(cell, features, radix, missing_right)
        for leaf in range(len(value)):
            n = 0
            for feature in range(k):
                if (left[leaf] | right[leaf]) & features[feature]:
                    on_path[n] = feature
                    wrong = (satisfied & left[leaf]) | (~satisfied & right[leaf])
                    a[n] = 0.0 if wrong & features[feature] else 1.0
                    b[n] = cover[leaf, feature]
                    integral[n] = 0.0
                    n += 1
            for point in range(len(points)):
                t = points[point]
                before[0] = weights[point]
                for i in range(n):
                    before[i + 1] = before[i] * (b[i] + t * (a[i] - b[i]))
                after = 1.0
                for i in range(n - 1, -1, -1):
                    integral[i] += before[i] * after
                    after *= b[i] + t * (a[i] - b[i])
            for i in range(n):
                values[on_path[i], cell] += value[leaf] * (a[i] - b[i]) * integral[i]
    return values
