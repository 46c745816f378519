"""The back end by pjsua2, for interpreters that have one."""
