"""Keys: read from the environment, and hidden in whatever is told or stored of an error.

A text is hidden first and cut to its length afterwards: a piece of a key is found by nobody.
"""

import os
import re
from functools import cache

from stages.config.endpoint import Endpoint
from stages.config.visible import visible

ADDRESS = re.compile(r"[^\s\"'<>]+")
# what stands behind these words, if it has a digit or is long: another's key, or this one in another spelling
CREDENTIAL = re.compile(
    r"""\b((?:bearer|basic|(?:x[-_])?api[-_ ]?key(?:\ provided)?)[\s"'\\:=]+)
        (?=[^\s"'\\,;<>]*\d|[^\s"'\\,;<>]{20})[^\s"'\\,;<>]{8,}""",
    re.IGNORECASE | re.VERBOSE,
)


def api_key(name: str, endpoint: Endpoint) -> str:
    """The key from the environment, without blanks around it; it goes into the client and nowhere else.

    Raises ValueError, with the name of the variable and never its content, if it is not set or holds what no
    header can carry.
    """
    if endpoint.key_env is None:
        return "none"
    if not (key := os.environ.get(endpoint.key_env, "").strip()):
        raise ValueError(
            f"endpoint {name!r}: ${endpoint.key_env} is not set: export the API key there (or use the store"
            " alone: COT_MODE=replay)"
        )
    if not all("!" <= letter <= "~" for letter in key):
        raise ValueError(
            f"endpoint {name!r}: ${endpoint.key_env} holds a blank, a line break or a character outside"
            " ASCII, as no API key does: export it anew"
        )
    return key


def hide_secrets(text: str, endpoint: Endpoint) -> str:
    """A text on one line, without the endpoint's key in any spelling, without what looks like another, and
    without the login in any address, such as that of a proxy in $HTTPS_PROXY.
    """
    key = os.environ.get(endpoint.key_env, "").strip() if endpoint.key_env else ""
    text = spellings(key).sub("***", text) if key else text
    text = CREDENTIAL.sub(r"\1***", ADDRESS.sub(without_login, text))
    return visible(" ".join(text.split()))


def without_login(address: re.Match[str]) -> str:
    """Without name and password, which reach up to the last @: a password may hold others."""
    before, begun, rest = address[0].partition("://")
    _, at, host = rest.rpartition("@")
    return f"{before}{begun}***@{host}" if begun and at else address[0]


@cache
def spellings(key: str) -> re.Pattern[str]:
    """A key in small or capital letters, and as JSON, Python and addresses escape its characters."""
    letters = (
        rf"(?:\\{{0,4}}{re.escape(letter)}|\\{{1,4}}(?:u00|x){ord(letter):02x}|%{ord(letter):02x})"
        for letter in key
    )
    return re.compile("".join(letters), re.IGNORECASE)
