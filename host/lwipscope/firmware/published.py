"""Where the ELF file of a stock MicroPython image is to be had; nothing is fetched.

The memory probe needs it. Sources: MicroPython's tools/autobuild/build-boards.sh, which says what
is published for each port (esp32: bin elf map uf2 app-bin; esp8266: bin elf map; all others
without the elf: rp2 uf2, stm32 dfu hex, mimxrt bin hex, samd uf2, nrf bin hex uf2, renesas-ra hex);
py/modsys.c: sys.platform is the port's name (pyboard: stm32), sys.implementation._build the
board's, with its variant behind a hyphen, which is also its download page's. Called by `identify`.
"""

from __future__ import annotations

import re

PAGE = "https://micropython.org/download/"
_WITH_ELF = ("esp32", "esp8266")
# sys.platform: what is published instead.
_WITHOUT_ELF = {
    "rp2": ".uf2",
    "pyboard": ".dfu and .hex",
    "mimxrt": ".bin and .hex",
    "samd": ".uf2",
    "nrf": ".bin, .hex and .uf2",
    "renesas-ra": ".hex",
    "cc3200": ".zip",
}
_RELEASE = re.compile(r"v\d+\.\d+(\.\d+)?(-preview\.\d+)?")
_OWN = "of a build of your own it is firmware.elf or micropython.elf in its build folder"


def where_elf(platform: str, build: str, release: str) -> str:
    """For people: the place, or that there is none; empty if the platform is not known.

    `build`: sys.implementation._build, empty on old releases; `release`: os.uname().version.
    """
    which = release.split(" ")[0]
    plain = re.match(_RELEASE, which)
    name = f"release {plain[0]}" if plain is not None else "its release"
    if platform in _WITH_ELF:
        page = PAGE + (build.partition("-")[0] if build else f"?port={platform}")
        variant = f", variant {build.partition('-')[2]}" if "-" in build else ""
        return f"its ELF file: {page}{variant}, the .elf beside the .bin of {name}; {_OWN}"
    if platform in _WITHOUT_ELF:
        return (
            f"no ELF file is published for this image ({_WITHOUT_ELF[platform]} only), so it can't "
            f"be sampled: a build of your own is needed; {_OWN}"
        )
    return ""
