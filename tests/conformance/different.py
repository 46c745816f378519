"""The scenarios that a back end decides otherwise, each with its reason."""

_PJSUA2 = {
    "protects_bodies_where_that_is_wanted": (
        "PJSIP answers challenges of qop=auth alone. No gateway is known to insist on auth-int; "
        "one that does is told as rejected credentials."
    ),
    "ten_lines_ring_and_talk_at_once": (
        "A pjsua2 has room for 8 accounts, and that of PyPI for 4 calls. One line more, or one "
        "call more, is refused with a sentence of its own."
    ),
}

DIFFERENT: dict[tuple[str, str], str] = {
    ("pjsua2", scenario): reason for scenario, reason in _PJSUA2.items()
}
