"""What a look at the online store answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Measured:
    """What the stream would measure of n payments, if nothing else of their parties came before them."""

    vectors: NDArray[np.float32]
    """[n, f] in the order of the schema: the very bits that the stream would store."""
    state: NDArray[np.uint8]
    """[n] of FeatureState."""
    provenance: NDArray[np.void]
    """[n] of `provenance.WRITTEN`: what the logs would get, and where; of a located payment, where it is."""
    located: NDArray[np.bool_]
    """[n], whether the payer's log has the payment already. It is measured where it is, and not counted again."""
    perhaps_folded: NDArray[np.bool_]
    """[n], whether the payment may be among the records that were folded away. It was counted again then, so look for
    its stored verdict first."""
    offsets: Mapping[bytes, int]
    """`topic:partition` to the next offset that is not applied, as of the moment when the logs were read."""


@dataclass(frozen=True, slots=True)
class EntityWindows:
    """One entity's windows (now - w, now]; a payment that came now would be counted in besides."""

    values: Mapping[str, float]
    """Name of each windowed feature of its kind to the value, rounded as in the vector. NaN is missing: a mean, a
    deviation or a maximum of nothing."""
    records: int
    """Payments ever logged, those folded away included; 0: the entity is not known."""
    folded: bool
    """Whether old records were folded away: windows beyond 5 minutes move in steps then."""
    first_seen: int | None
    """Event time of the first payment, epoch milliseconds; None: the entity is not known."""
    last_seen: int | None
    """The latest event time."""
    offsets: Mapping[bytes, int]
    """As in `Measured`."""
