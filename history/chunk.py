"""Some payments of a measured history, one behind the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Chunk:
    """Payments in file order: columns of one length."""

    ids: Any
    """Their transaction ids, as an Arrow array of bytes."""
    event_time: NDArray[np.int64]
    """Epoch milliseconds."""
    vectors: NDArray[np.float32]
    """[n, f], in the order of the schema."""
    state: NDArray[np.uint8]
    """Of `FeatureState`."""
    row: NDArray[np.int64]
    """Ascending over the whole history; where a row was refused or a duplicate, there is a gap."""

    def __len__(self) -> int:
        return len(self.event_time)

    @property
    def transaction_id(self) -> list[bytes]:
        """Their transaction ids."""
        return list(self.ids.to_pylist())
