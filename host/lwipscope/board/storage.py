"""A board's own files: what is there, as hashes, and the one folder that is ours to use.

Programs and the agent run from RAM. What a user keeps on the board on purpose goes into FOLDER,
which `lwipscope clean` removes; nothing else is ever written or removed here, `main.py` and
`boot.py` least of all. Needs the prompt. Sizes in bytes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from lwipscope.board.repl import Repl
from lwipscope.errors import Inconclusive, UsageError

FOLDER = "/lwipscope"
_TIMEOUT_S = 60.0
_PIECE_BYTES = 4096

_WALK = """\
import os, hashlib, binascii
def _walk(path, out):
    for name in sorted(os.listdir(path or '/')):
        full = path + '/' + name
        if os.stat(full)[0] & 0x4000:
            out[full + '/'] = ''
            _walk(full, out)
        else:
            h = hashlib.sha256() if hasattr(hashlib, 'sha256') else None
            n = 0
            with open(full, 'rb') as f:
                while True:
                    b = f.read(512)
                    if not b:
                        break
                    n = binascii.crc32(b, n)
                    if h:
                        h.update(b)
            out[full] = binascii.hexlify(h.digest()).decode() if h else '%08x' % n
    return out
"""
_REMOVE = """\
import os
def _remove(path):
    if os.stat(path)[0] & 0x4000:
        for name in os.listdir(path):
            _remove(path + '/' + name)
        os.rmdir(path)
    else:
        os.remove(path)
"""


def hashes(repl: Repl) -> Mapping[str, str]:
    """Each file's hash by its path (SHA-256, or CRC-32 where the firmware has no other), folders
    with a slash at the end. Empty if the board has no filesystem."""
    said = repl.run(
        f"{_WALK}try:\n    print(repr(_walk('', {{}})))\nexcept OSError:\n    print('{{}}')\n",
        _TIMEOUT_S,
    )
    try:
        found = ast.literal_eval(said.decode().strip().splitlines()[-1])
        return dict(found)
    except (ValueError, SyntaxError, IndexError) as error:
        raise Inconclusive(f"the board could not list its files: {said[-200:]!r}") from error


def keep(repl: Repl, files: Iterable[tuple[str, bytes]]) -> None:
    """Write files below FOLDER, on the board's own filesystem."""
    repl.run(f"import os\nif {FOLDER[1:]!r} not in os.listdir('/'):\n    os.mkdir({FOLDER!r})")
    for name, data in files:
        if name.startswith("/") or ".." in name.split("/"):
            raise UsageError(f"{name}: expected a name below {FOLDER}")
        path = f"{FOLDER}/{name}"
        folders = path.split("/")[:-1]
        lines = ["import os"]
        for n in range(3, len(folders) + 1):
            folder = "/".join(folders[:n])
            lines += ["try:", f"    os.mkdir({folder!r})", "except OSError:", "    pass"]
        lines.append(f"_f = open({path!r}, 'wb')")
        for at in range(0, len(data), _PIECE_BYTES):
            lines.append(f"_f.write({data[at : at + _PIECE_BYTES]!r})")
            repl.run("\n".join(lines), _TIMEOUT_S)
            lines = []
        repl.run("\n".join([*lines, "_f.close()"]), _TIMEOUT_S)


def clean(repl: Repl) -> list[str]:
    """Remove FOLDER with all that is in it: what was removed."""
    ours = [path for path in hashes(repl) if path.startswith(f"{FOLDER}/")]
    if ours:
        repl.run(f"{_REMOVE}_remove({FOLDER!r})", _TIMEOUT_S)
    return ours
