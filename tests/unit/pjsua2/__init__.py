"""The parts of the back end by pjsua2 that need no pjsua2."""
