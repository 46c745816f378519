"""The modules of scenarios, in the order in which they are told."""

from . import (
    challenges,
    dialogs,
    incoming,
    media_changes,
    moving,
    outgoing,
    recovery,
    registration,
    requests,
    sound,
)

MODULES = (
    registration,
    challenges,
    requests,
    incoming,
    outgoing,
    dialogs,
    sound,
    media_changes,
    moving,
    recovery,
)
