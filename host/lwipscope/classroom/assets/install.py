"""Installs lwipscope from this folder, without network: python3 install.py [FOLDER]

Makes a virtual environment in FOLDER (default: lwipscope, beside this file), installs the wheels
that lie here into it, and chooses the firmware that lies here. Needs Python 3.11 or newer; to run
a board, QEMU (qemu-system-arm) as well. Nothing outside FOLDER and lwipscope's cache is changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
STEP_S = 300
HOW_TO_GET_QEMU = {
    "linux": "Debian, Ubuntu: sudo apt-get install qemu-system-arm netcat-openbsd; "
    "Fedora: sudo dnf install qemu-system-arm nmap-ncat",
    "darwin": "brew install qemu",
}


def main() -> str | None:
    """What is wrong, or None."""
    if sys.version_info < (3, 11):
        return f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}"
    if len(sys.argv) > 2 or sys.argv[1:2] in (["-h"], ["--help"]):
        print(__doc__)
        return None if len(sys.argv) == 2 else "one folder, or none"
    folder = Path(sys.argv[1] if len(sys.argv) == 2 else HERE / "lwipscope").absolute()
    wheels = sorted((HERE / "wheels").glob("*.whl"))
    pips = [wheel for wheel in wheels if wheel.name.startswith("pip-")]
    if not pips or not any(wheel.name.startswith("lwipscope-") for wheel in wheels):
        return f"{HERE / 'wheels'}: the wheels are not there; unpack the whole bundle"
    if folder.exists() and not (folder / "pyvenv.cfg").is_file() and any(folder.iterdir()):
        return f"{folder} has other things in it; name a new folder"
    print(f"installing lwipscope into {folder}")
    # pip comes from its own wheel: some systems have a Python without it.
    venv.EnvBuilder(with_pip=False, symlinks=os.name != "nt").create(folder)
    bin_folder = folder / ("Scripts" if os.name == "nt" else "bin")
    python = bin_folder / "python"
    install: list[str | Path] = [
        python,
        pips[-1] / "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-cache-dir",
    ]
    install += ["--disable-pip-version-check", "--no-warn-script-location"]
    run([*install, *(wheel for wheel in wheels if wheel not in pips)])
    for image in sorted((HERE / "firmware").iterdir()):
        run([python, "-m", "lwipscope", "firmware", "use", image])
    command = bin_folder / "lwipscope"
    if not shutil.which("qemu-system-arm"):
        how = HOW_TO_GET_QEMU.get(sys.platform, "see qemu.org")
        print(f"\nQEMU is missing (qemu-system-arm), without which there is no board.\n  {how}")
    print(f"\nready. Begin with\n  {command} lesson list")
    return None


def run(command: Sequence[str | Path]) -> None:
    """Run it; a failure ends the installation."""
    done = subprocess.run([str(word) for word in command], timeout=STEP_S, check=False)
    if done.returncode:
        sys.exit(f"install.py: this failed: {' '.join(map(str, command))}")


if __name__ == "__main__":
    wrong = main()
    if wrong:
        sys.exit(f"install.py: {wrong}")
