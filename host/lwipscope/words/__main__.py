"""`python -m lwipscope.words [TOPIC]`: for maintainers, what is to be translated, and where."""

from __future__ import annotations

import sys

from lwipscope.words.twins import all_uses, long_faults, long_folders, short_faults


def main(topics: list[str]) -> int:
    """List the faults of these topics, or of all; 1 if there are any."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    used = all_uses()
    faults = short_faults(used)
    for folder in long_folders():
        faults += long_faults(folder)
    shown = [fault for fault in faults if not topics or fault.topic in topics]
    for fault in sorted(shown, key=lambda f: (f.topic, f.kind)):
        sys.stdout.write(f"{fault}\n")
    sys.stdout.write(f"{len(used)} texts, {len(shown)} to mend\n")
    return 1 if shown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
