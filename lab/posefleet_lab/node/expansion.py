"""``$(NAME)`` in a container's command, args and env, as Kubernetes expands it."""

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by its value; an unknown name stays as it is, and ``$$`` is one dollar.

    So ``$$(NAME)`` gives a literal ``$(NAME)``.
    """

    def replacement(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return variables.get(match[1], match[0])

    return _REFERENCE.sub(replacement, text)
