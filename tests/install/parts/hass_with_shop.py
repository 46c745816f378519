"""Run Home Assistant with a Marketplace that takes everything from one address.

    hass_with_shop.py URL [arguments of hass]

The Marketplace names its hosts in a download profile; this replaces the one it begins with.
"""

import sys

from homeassistant.__main__ import main
from homeassistant.components.marketplace import profiles

url = sys.argv.pop(1)
profiles.PROFILES[profiles.DEFAULT_PROFILE] = profiles.DownloadProfile(
    id=profiles.DEFAULT_PROFILE,
    operator="the test",
    api=f"{url}/api",
    github=f"{url}/github",
    raw=f"{url}/raw",
    catalog=f"{url}/catalog",
)
sys.exit(main())
