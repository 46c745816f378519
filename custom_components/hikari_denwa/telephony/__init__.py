"""Telephony of the home: numbers, addresses, calls, sound, and the engine that does SIP.

Knows nothing of Home Assistant. The engine process loads it under a name of its
own, so every import in here is relative.
"""
