"""Restores of RDS: instances here, clusters in `migsafe.restore.clusters`."""

from migsafe.restore import Restoring, Way


def way(restoring: Restoring) -> Way:
    """Return how the snapshot of an instance or a cluster is restored."""
    raise NotImplementedError(restoring.manifest.provider)
