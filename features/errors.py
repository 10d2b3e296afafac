"""What can go wrong with features: retry, or stop."""

from __future__ import annotations


class FeatureError(Exception):
    """Base of every error of this package."""


class StoreUnavailableError(FeatureError):
    """The online store cannot be reached, or refuses for now; retry, nothing was scored."""


class StoreCorruptError(FeatureError):
    """A log in the online store is not what its layout says; fatal: run `upifraud rebuild-features`."""


class IdentityKeyMismatchError(FeatureError):
    """Logs have another identity; fatal: set UPIFRAUD_IDENTITY_KEY and UPIFRAUD_PARTY_IDENTITY as when they began."""


class ReplicaBudgetError(FeatureError):
    """One log alone exceeds the memory for replicas; fatal: raise UPIFRAUD_REPLICA_CACHE_BYTES."""


class StoreRolledBackError(FeatureError):
    """The online store stands before what was applied to it; fatal: at the next start the missing part is replayed."""


class StoreAddressError(FeatureError):
    """The client cannot read UPIFRAUD_REDIS_URL, or an option after its ?; fatal: correct it."""
