"""Let the newest test helpers for custom components run on a Home Assistant newer than they are.

Loaded before every other pytest plugin. Home Assistant is imported first, because it
takes the place of httpx and voluptuous, and the helpers' own patches of it come
next, in their order. Where the helpers look for a name that has since moved, it is put back.
"""

import homeassistant  # noqa: F401, I001 - the order is what this module is for
from pytest_homeassistant_custom_component import patch_json  # noqa: F401
from pytest_homeassistant_custom_component import patch_recorder  # noqa: F401
from pytest_homeassistant_custom_component import patch_time  # noqa: F401
from homeassistant.components import logger
from homeassistant.components.logger import helpers

if not hasattr(logger, "_clear_logger_overwrites"):
    vars(logger)["_clear_logger_overwrites"] = helpers._clear_logger_overwrites
