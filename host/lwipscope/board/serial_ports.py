"""The serial ports of this machine, by pyserial's list. No port is opened."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Port:
    """One port; `usb_id` is `vendor:product` in hexadecimal. What is not known is empty."""

    device: str
    about: str = ""
    usb_id: str = ""
    serial_number: str = ""
    usb_path: str = ""


def listed() -> list[Port]:
    """All ports that are there now, those on USB first."""
    try:
        from serial.tools import list_ports  # 20 ms that other commands need not wait for
    except ImportError:  # a system that pyserial doesn't know
        return []

    found = [
        Port(
            info.device,
            info.description if info.description not in (None, "n/a") else "",
            f"{info.vid:04x}:{info.pid:04x}" if info.vid is not None else "",
            info.serial_number or "",
            # "1-2.3:1.0" names an interface of the device at port 1-2.3.
            (info.location or "").partition(":")[0],
        )
        for info in list_ports.comports()
    ]
    return sorted(found, key=lambda port: (not port.usb_id, port.device))
