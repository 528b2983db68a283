"""What the operator says about the desk, all of it in the environment."""

from collections.abc import Mapping

from coordination.errors import ConfigError

ALLOWED_VARIABLE = "MASSGEN_BOT_ALLOWED_CONFIGS"
ADMINS_VARIABLE = "MASSGEN_BOT_ADMINS"
THREADS_VARIABLE = "MASSGEN_BOT_THREADS"


def allowed_configs(environ: Mapping[str, str], variable: str = ALLOWED_VARIABLE) -> Mapping[str, frozenset[str]]:
    """Which tenants may use which configurations: `discord:123=ops,demo; slack:-:T1=ops; *=demo`.

    Raises:
        ConfigError: it is written in another way.
    """
    allowed: dict[str, frozenset[str]] = {}
    for part in environ.get(variable, "").split(";"):
        tenant, sign, names = (each.strip() for each in part.partition("="))
        if not part.strip():
            continue
        if not sign or not tenant or tenant in allowed:
            raise ConfigError(
                [f"{variable} must look like: discord:123=ops,demo; slack:-:T1=ops; *=demo (each tenant once)"]
            )
        allowed[tenant] = frozenset(name for name in names.replace(",", " ").split())
    return allowed


def named_admins(environ: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """The people whom the operator named by tenant and account: `discord:123/42`, `slack:-:T1/U1`.

    Names of other forms are for a surface to understand.
    """
    pairs = (each.rpartition("/") for each in environ.get(ADMINS_VARIABLE, "").replace(",", " ").split())
    return frozenset((tenant, account) for tenant, _, account in pairs if ":" in tenant and account)


def tells_stories(environ: Mapping[str, str]) -> bool:
    """Whether each run gets a thread with its story: `yes`, which is the default, or `no`.

    Raises:
        ConfigError: it is neither.
    """
    text = environ.get(THREADS_VARIABLE, "").strip().lower() or "yes"
    if text not in ("yes", "no"):
        raise ConfigError([f"{THREADS_VARIABLE} must be yes or no."])
    return text == "yes"
