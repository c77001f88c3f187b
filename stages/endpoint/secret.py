"""Secrets: the API key from the environment, and texts without it. Whatever is told or stored of an error
goes through `hide`.
"""

import os
import re

from stages.config.endpoint import Endpoint

# name and password in an address; up to the last @, for a password may hold others
LOGIN = re.compile(r"://[^\s\"'<>]*@")


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


def hide(text: str, endpoint: Endpoint) -> str:
    """A text on one line, without the endpoint's key and without the login in any address, such as that of a
    proxy in $HTTPS_PROXY.
    """
    key = os.environ.get(endpoint.key_env, "").strip() if endpoint.key_env else ""
    text = LOGIN.sub("://***@", text)
    return " ".join((text.replace(key, "***") if key else text).split())
