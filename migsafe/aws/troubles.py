"""What an error of botocore means, and what to do. Pure: from an error to two sentences.

Of what AWS writes, only texts that hold no credentials get through: one about a wrong signature
repeats the session's token.
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from migsafe.errors import redacted

#: A problem, and its remedy.
Trouble = tuple[str, str]

_LOG_IN = "log in again, with `aws sso login` or as you do, and run it once more"
_WAIT = "run it again in some minutes"

_EXPIRED = ("the AWS session has expired", _LOG_IN)
_UNKNOWN_KEY = (
    "AWS does not know these credentials",
    "check AWS_ACCESS_KEY_ID, AWS_SESSION_TOKEN and the profile, and that the region is enabled",
)
_SIGNATURE = (
    "AWS does not accept the signature",
    "check AWS_SECRET_ACCESS_KEY, and this machine's clock",
)
_THROTTLED = ("AWS still asks for fewer requests after ten attempts", _WAIT)
_BROKEN = ("AWS has a fault of its own", _WAIT)

#: What a code means, whatever the service. Throttling has many names (botocore, retries/standard).
_CODES: dict[str, Trouble] = {
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "RequestExpired": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "InvalidClientTokenId": _UNKNOWN_KEY,
    "UnrecognizedClientException": _UNKNOWN_KEY,
    "InvalidAccessKeyId": _UNKNOWN_KEY,
    "AuthFailure": _UNKNOWN_KEY,
    "SignatureDoesNotMatch": _SIGNATURE,
    "InvalidSignatureException": _SIGNATURE,
    "IncompleteSignature": _SIGNATURE,
    "OptInRequired": ("this account has not enabled the region", "enable it, or take another one"),
    "Throttling": _THROTTLED,
    "ThrottlingException": _THROTTLED,
    "ThrottledException": _THROTTLED,
    "RequestThrottled": _THROTTLED,
    "RequestThrottledException": _THROTTLED,
    "RequestLimitExceeded": _THROTTLED,
    "TooManyRequestsException": _THROTTLED,
    "SlowDown": _THROTTLED,
    "InternalFailure": _BROKEN,
    "InternalError": _BROKEN,
    "InternalServiceError": _BROKEN,
    "ServiceUnavailable": _BROKEN,
}

_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}

_ACTION = re.compile(r"not authorized to perform:? ([\w-]+:\w+)(?: on resource:? (\S+))?")

#: AWS appends kilobytes to a refusal of EC2, which only its own service reads.
_LONGEST = 300


def refusal(error: Any) -> Trouble:
    """Say why AWS refused a call (botocore's ClientError)."""
    said = error.response.get("Error", {})
    code, text = str(said.get("Code", "")), str(said.get("Message", ""))
    if code in _DENIED:
        return _denied(error.operation_name, text)
    if code in _CODES:
        return _CODES[code]
    if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400) >= 500:
        return _BROKEN
    told = f": {_shortened(text)}" if text else ""
    return f"AWS refuses {error.operation_name} with {code}{told}", "correct that, and run it again"


def _denied(operation: str, text: str) -> Trouble:
    found = _ACTION.search(text)
    action = found[1] if found else operation
    where = f" on {found[2].strip('.,')}" if found and found[2] else ""
    return (
        f"this identity may not {action}{where}",
        f"allow {action}; `migsafe iam-policy COMMAND` prints all that a command needs",
    )


def failure(error: Exception) -> Trouble:
    """Say why AWS was not even reached, or not understood."""
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    if isinstance(error, ResponseParserError):
        return "what answered is not AWS", "check AWS_ENDPOINT_URL and the proxy"
    for names, say in _FAILURES:
        kinds = tuple(getattr(exceptions, name) for name in names if hasattr(exceptions, name))
        if isinstance(error, kinds):
            return say(error)
    return f"AWS could not be asked: {_shortened(str(error))}", "check the AWS configuration"


def _shortened(text: str) -> str:
    line = " ".join(redacted(text).split())
    return (line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…").rstrip(".")


def _host(error: Any) -> str:
    """Return the host that was asked; None of a proxy, whose URL may hold a password."""
    return urlsplit(str(error.kwargs.get("endpoint_url", ""))).hostname or "AWS"


def _no_credentials(_error: Any) -> Trouble:
    return (
        "there are no AWS credentials",
        "name a profile, log in with `aws sso login`, or give the task or the instance a role",
    )


def _partial(error: Any) -> Trouble:
    missing = error.kwargs.get("cred_var", "a part")
    return f"the AWS credentials lack {missing}", "set all of them, or none"


def _profile(error: Any) -> Trouble:
    return (
        f"there is no AWS profile {error.kwargs.get('profile')}",
        "check profile in migsafe.toml, AWS_PROFILE and ~/.aws/config",
    )


def _no_region(_error: Any) -> Trouble:
    return (
        "no AWS region is known",
        'write region = "eu-central-1", or whichever it is, into migsafe.toml, or set AWS_REGION',
    )


def _bad_region(error: Any) -> Trouble:
    name = error.kwargs.get("region_name", "")
    return f"{name!r} is no AWS region", "check region in migsafe.toml and AWS_REGION"


def _login(_error: Any) -> Trouble:
    return _EXPIRED


def _mfa(_error: Any) -> Trouble:
    return "the role wants a code of your MFA device", "assume it before, and run it in that shell"


def _provider(error: Any) -> Trouble:
    """Leave out what the provider said: a program for credentials may print them."""
    return (
        f"no credentials came from {error.kwargs.get('provider', 'the metadata service')}",
        "see what `aws sts get-caller-identity` says",
    )


def _config(_error: Any) -> Trouble:
    return "the AWS configuration cannot be read", "see what `aws configure list` says"


def _proxy(_error: Any) -> Trouble:
    return "the proxy to AWS cannot be reached", "check HTTPS_PROXY and NO_PROXY"


def _tls(error: Any) -> Trouble:
    return (
        f"the certificate of {_host(error)} is not trusted",
        "set AWS_CA_BUNDLE where a proxy has a certificate of its own",
    )


def _unreachable(error: Any) -> Trouble:
    return (
        f"{_host(error)} cannot be reached",
        "check the region, the network and the proxy; a private subnet needs a NAT gateway or an "
        "endpoint of that service",
    )


def _silent(error: Any) -> Trouble:
    return f"{_host(error)} gave no answer", _WAIT


#: Names of botocore's exceptions, some of them new: the first that fits, so children go first.
_FAILURES: tuple[tuple[tuple[str, ...], Callable[[Any], Trouble]], ...] = (
    (("NoCredentialsError", "NoAuthTokenError"), _no_credentials),
    (("PartialCredentialsError",), _partial),
    (("ProfileNotFound",), _profile),
    (("NoRegionError",), _no_region),
    (("InvalidRegionError", "UnknownEndpointError", "UnknownRegionError"), _bad_region),
    (("SSOError", "TokenRetrievalError", "LoginError"), _login),
    (("RefreshWithMFAUnsupportedError",), _mfa),
    (("CredentialRetrievalError", "MetadataRetrievalError"), _provider),
    (("ConfigNotFound", "ConfigParseError", "InvalidConfigError"), _config),
    (("ProxyConnectionError", "InvalidProxiesConfigError"), _proxy),
    (("SSLError",), _tls),
    (("ConnectTimeoutError", "EndpointConnectionError", "ConnectionError"), _unreachable),
    (("HTTPClientError", "IncompleteReadError", "CapacityNotAvailableError"), _silent),
)
