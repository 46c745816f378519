"""The scenarios that a back end decides otherwise, each with its reason."""

DIFFERENT: dict[tuple[str, str], str] = {}
