"""How a connection to RDS is encrypted: the certificates to trust, and what is checked.

Reads names and environment only; downloads nothing.
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from migsafe.aws.identify import region_of

_warned: set[str] = set()


def secured(params: Mapping[str, str], root: Path, *, unsaid: str = "prefer") -> dict[str, str]:
    """Return libpq's parameters with the best check that there are certificates for.

    Other hosts than RDS's stay as they are. `unsaid` is the `sslmode` where neither the URL nor
    PGSSLMODE says one and no certificates are found. What is not verified is warned of.
    """
    host = params.get("host", "")
    where = region_of(host)
    if where is None:
        return dict(params)
    bundle = _bundle(params, root, where)
    said = params.get("sslmode") or os.environ.get("PGSSLMODE")
    mode = said or ("verify-full" if bundle else unsaid)
    if mode != "verify-full":
        _warn(host, mode)
    trusted = {"sslrootcert": bundle} if bundle and mode.startswith("verify-") else {}
    return {**params, "sslmode": mode, **trusted}


def _bundle(params: Mapping[str, str], root: Path, where: str) -> str | None:
    """Find the certificates of RDS: in the URL, in the environment, beside the config file."""
    named = params.get("sslrootcert") or os.environ.get("PGSSLROOTCERT")
    if named:
        return named
    beside = (root / name for name in ("global-bundle.pem", f"{where}-bundle.pem"))
    return next((str(path.resolve()) for path in beside if path.is_file()), None)


def _warn(host: str, mode: str) -> None:
    """Say it once, on stderr, or where a program that uses migsafe has logging sent."""
    if host in _warned:
        return
    _warned.add(host)
    logging.getLogger(__name__).warning(
        "migsafe: %s: sslmode is %s, so nobody checks that this is the server; "
        "put RDS's global-bundle.pem beside migsafe.toml, or say sslmode=verify-full",
        host,
        mode,
    )
