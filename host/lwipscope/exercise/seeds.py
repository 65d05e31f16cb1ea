"""Where a test's random numbers come from: the same seed gives the same test, on every machine.

In a class each student has a seed of their own. It follows from the teacher's seed and the
student's name, so that nobody can know it before the grading and everybody can repeat it behind:
HMAC (RFC 2104) with SHA-256, the teacher's seed being the key.
"""

from __future__ import annotations

import hashlib
import hmac
import random
import secrets


def any_seed() -> int:
    """One that nobody has chosen."""
    return secrets.randbelow(1 << 32)


def student_seed(teacher: int, exercise: str, student: str) -> int:
    """The seed of one submission."""
    said = f"{exercise}\0{student}".encode("utf-8", "surrogateescape")
    digest = hmac.new(str(teacher).encode(), said, hashlib.sha256).digest()
    return int.from_bytes(digest[:4], "big")


def test_random(seed: int, exercise: str, test: str) -> random.Random:
    """The random numbers of one test; those of the others don't change when one is added."""
    return random.Random(f"{seed}/{exercise}/{test}")


test_random.__test__ = False  # type: ignore[attr-defined]
