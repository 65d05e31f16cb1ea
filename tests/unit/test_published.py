"""What `identify` says of a stock image's ELF file. What boards say is as MicroPython 1.25 does."""

from __future__ import annotations

import pytest

from lwipscope.board.identify import Identity
from lwipscope.firmware.published import where_elf

RELEASE = "v1.25.0 on 2025-04-15"


@pytest.mark.parametrize(
    ("build", "page"),
    [
        ("ESP32_GENERIC", "/ESP32_GENERIC, the .elf beside the .bin of release v1.25.0;"),
        ("ESP32_GENERIC-SPIRAM", "/ESP32_GENERIC, variant SPIRAM, the .elf"),
        ("", "/?port=esp32, the .elf"),
    ],
)
def test_esp32_images_have_one(build: str, page: str) -> None:
    assert f"https://micropython.org/download{page}" in where_elf("esp32", build, RELEASE)


def test_a_build_between_releases_is_named_without_its_commit() -> None:
    text = where_elf("esp8266", "ESP8266_GENERIC", "v1.26.0-preview.12.g0123abcd-dirty on 2025")
    assert "release v1.26.0-preview.12;" in text


@pytest.mark.parametrize(("platform", "instead"), [("rp2", ".uf2"), ("pyboard", ".dfu and .hex")])
def test_others_have_none(platform: str, instead: str) -> None:
    text = where_elf(platform, "RPI_PICO_W", RELEASE)
    assert f"no ELF file is published for this image ({instead} only)" in text
    assert "build of your own" in text and "http" not in text


def test_an_identity_says_it_where_there_is_no_tracer() -> None:
    told = {"platform": "esp32", "build": "ESP32_GENERIC_C3", "release": RELEASE, "version": "1.25"}
    lines = Identity(told).lines()
    assert any(line.startswith("probe") and "/ESP32_GENERIC_C3," in line for line in lines), lines
    assert any(line.startswith("firmware") and RELEASE in line for line in lines)
    assert not any(line.startswith("probe") for line in Identity({"platform": "unknown"}).lines())
