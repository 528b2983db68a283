"""Every client scenario of the suite: those that our hub passes, and those that are not for it, each with the reason."""

from collections.abc import Mapping

SCENARIOS = (
    "initialize",
    "tools_call",
    "sse-retry",
    "elicitation-sep1034-client-defaults",
    "auth/client-credentials-basic",
    "auth/client-credentials-jwt",
    "auth/pre-registration",
)

_PERSON = (
    "a person would have to log in in a browser; servers are reached with tokens or credentials of the program's own"
)
_REGISTERS = f"the client registers itself, and {_PERSON}"
_SCOPES = f"scopes are those that the operator wrote, whatever a server demands; and {_PERSON}"

NOT_APPLICABLE: Mapping[str, str] = {
    "auth/metadata-default": _REGISTERS,
    "auth/metadata-var1": _REGISTERS,
    "auth/metadata-var2": _REGISTERS,
    "auth/metadata-var3": _REGISTERS,
    "auth/basic-cimd": _REGISTERS,
    "auth/token-endpoint-auth-basic": _REGISTERS,
    "auth/token-endpoint-auth-post": _REGISTERS,
    "auth/token-endpoint-auth-none": _REGISTERS,
    "auth/2025-03-26-oauth-metadata-backcompat": _REGISTERS,
    "auth/2025-03-26-oauth-endpoint-fallback": _REGISTERS,
    "auth/scope-from-www-authenticate": _SCOPES,
    "auth/scope-from-scopes-supported": _SCOPES,
    "auth/scope-omitted-when-undefined": _SCOPES,
    "auth/scope-step-up": _SCOPES,
    "auth/scope-retry-limit": _SCOPES,
    "auth/offline-access-scope": _SCOPES,
    "auth/offline-access-not-supported": _SCOPES,
    "auth/cross-app-access-complete-flow": f"a company's identity provider vouches for a person: {_PERSON}",
    "auth/resource-mismatch": (
        "it looks only whether a browser is sent away, which never happens here; that no secret is shown where "
        "resources disagree is tested with our own server"
    ),
}
