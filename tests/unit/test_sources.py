"""Finding the Debian mirror, and refusing sources that are not the pinned ones."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwipscope.errors import BuildError, DeadlineExceeded
from lwipscope.firmware import mirrors, pins, sources
from lwipscope.firmware.lock import exclusive
from lwipscope.firmware.progress import Step

SIGNED_BY = "/usr/share/keyrings/debian-archive-keyring.gpg"


def machine(folder: Path, **files: str) -> Path:
    """An /etc/apt with these files; `list` and `sources` go to sources.list.d."""
    (folder / "sources.list.d").mkdir(parents=True)
    for name, text in files.items():
        place = "sources.list" if name == "main" else f"sources.list.d/machine.{name}"
        (folder / place).write_text(text)
    return folder


def uris(etc: Path) -> list[str]:
    return [mirror.uri for mirror in mirrors.find(etc)]


# --- mirrors -----------------------------------------------------------------------------------


def test_one_line_format(tmp_path: Path) -> None:
    etc = machine(
        tmp_path / "apt",
        main=f"""# a comment
deb [ arch=amd64 signed-by={SIGNED_BY} ] http://mirror.example/debian bookworm main contrib  # why
deb-src http://mirror.example/debian bookworm main
deb http://mirror.example/debian bookworm-updates main
deb http://security.example/debian-security bookworm-security main
# deb http://switched-off.example/debian bookworm main
deb cdrom:[Debian GNU/Linux 12.0.0 _Bookworm_ - Official]/ bookworm main
""",
    )
    (mirror,) = mirrors.find(etc)
    assert mirror.uri == "http://mirror.example/debian"
    assert mirror.signed_by == SIGNED_BY
    assert set(mirror.suites) == {"bookworm", "bookworm-updates"}


def test_one_line_format_in_sources_list_d(tmp_path: Path) -> None:
    etc = machine(tmp_path / "apt", list="deb https://m.example/debian/ trixie main\n")
    assert uris(etc) == ["https://m.example/debian/"]


def test_trusted_mirror_stays_trusted(tmp_path: Path) -> None:
    etc = machine(tmp_path / "apt", main="deb [trusted=yes] http://m.example/debian stable main\n")
    assert "Trusted: yes" in mirrors.find(etc)[0].stanza()


def test_deb822_format(tmp_path: Path) -> None:
    etc = machine(
        tmp_path / "apt",
        sources=f"""# the machine's mirror
Types: deb
# http://old.example/debian
URIs: http://a.example/debian
 http://b.example/debian
Suites: bookworm
# in the middle
 bookworm-updates
Components: main non-free-firmware
Signed-By: {SIGNED_BY}

Types: deb
URIs: http://a.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
""",
    )
    assert uris(etc) == ["http://a.example/debian", "http://b.example/debian"]
    stanza = mirrors.find(etc)[0].stanza()
    assert "Types: deb-src\nURIs: http://a.example/debian\nSuites: trixie\n" in stanza
    assert f"Signed-By: {SIGNED_BY}" in stanza


def test_inline_key_keeps_its_lines(tmp_path: Path) -> None:
    key = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBGPL\n -----END PGP...-----"
    etc = machine(
        tmp_path / "apt",
        sources="Types: deb\nURIs: http://a.example/debian\nSuites: stable\nComponents: main\n"
        f"Signed-By:{key}\n",
    )
    assert f"Signed-By: {key}\n" in mirrors.find(etc)[0].stanza()


def test_mirror_list_of_cloud_images_is_kept_as_it_is(tmp_path: Path) -> None:
    etc = machine(
        tmp_path / "apt",
        sources="Types: deb deb-src\nURIs: mirror+file:/etc/apt/mirrors/debian.list\n"
        "Suites: trixie trixie-updates trixie-backports\nComponents: main\n",
    )
    assert uris(etc) == ["mirror+file:/etc/apt/mirrors/debian.list"]


def test_ubuntu_has_no_debian_mirror(tmp_path: Path) -> None:
    etc = machine(
        tmp_path / "apt",
        main="deb http://archive.example/ubuntu jammy main universe\n",
        sources="Types: deb\nURIs: http://archive.example/ubuntu\nSuites: noble noble-updates\n"
        "Components: main universe\nSigned-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg\n",
    )
    assert uris(etc) == []


def test_third_party_repositories_are_no_mirror(tmp_path: Path) -> None:
    etc = machine(
        tmp_path / "apt",
        list="deb [signed-by=/k.asc] https://containers.example/linux/debian bookworm stable\n"
        "deb https://cloud.example/apt cloud-sdk-bookworm main\n"
        "deb https://db.example/pub/repos/apt bookworm-pgdg main\n"
        "deb https://flat.example/ ./\n",
        sources="Types: deb\nURIs: https://js.example/node_20.x\nSuites: nodistro\n"
        "Components: main\n",
    )
    assert uris(etc) == []


def test_archive_comes_before_vendors_that_borrow_its_suite_names(tmp_path: Path) -> None:
    etc = machine(
        tmp_path / "apt",
        list="deb [signed-by=/k/vendor.gpg] https://apt.vendor.example bookworm main\n",
        sources=f"Types: deb\nURIs: http://m.example/debian\nSuites: bookworm bookworm-updates\n"
        f"Components: main\nSigned-By: {SIGNED_BY}\n",
    )
    assert uris(etc) == ["http://m.example/debian", "https://apt.vendor.example"]


def test_machine_without_apt(tmp_path: Path) -> None:
    assert mirrors.find(tmp_path / "nowhere") == []


@given(st.text())
def test_no_configuration_file_breaks_the_parsers(text: str) -> None:
    found = [*mirrors._one_line_entries(text), *mirrors._deb822_entries(text)]
    assert all(mirror.uri for mirror in found)


# --- pins and trees ----------------------------------------------------------------------------


def test_pins_name_what_was_agreed() -> None:
    loaded = pins.load()
    assert loaded.micropython.tarball_sha256.startswith("7b25be99a502f070")
    assert loaded.micropython.tarball_bytes == 5983992
    assert loaded.lwip.tarball_sha256.startswith("83729c274c499d33")
    assert loaded.lwip.tarball_bytes == 1100868
    assert {"src/core/tcp.c", "src/core/tcp_in.c"} <= loaded.lwip.files.keys()
    assert {"extmod/modlwip.c", "ports/qemu/Makefile"} <= loaded.micropython.files.keys()
    assert all(".." not in Path(name).parts for tree in loaded.trees for name in tree.files)


CONTENT = {
    "MicroPython": {"py/mpconfig.h": b"// config\n", "extmod/modlwip.c": b"// sockets\n"},
    "lwIP": {"src/core/tcp.c": b"// tcp\n", "src/core/ipv4/ip4.c": b"// ip\n"},
}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pins of two tiny projects, a cache, and a folder `given` with both tarballs."""
    monkeypatch.setenv("LWIPSCOPE_CACHE", str(tmp_path / "cache"))
    given_folder = tmp_path / "given"
    given_folder.mkdir()
    data = {}
    for name, files in CONTENT.items():
        tarball = given_folder / f"{name.lower()}.orig.tar.xz"
        with tarfile.open(tarball, "w:xz") as archive:
            for path, content in [*files.items(), ("../../evil", b"x"), ("docs/y", b"y")]:
                member = tarfile.TarInfo(f"{name}-1.0/{path}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        digests = {path: hashlib.sha256(text).hexdigest() for path, text in sorted(files.items())}
        listing = "".join(f"{digest}  {path}\n" for path, digest in digests.items())
        data[name] = {
            "version": "1.0",
            "tag": f"{name}-v1",
            "tarball": tarball.name,
            "tarball_bytes": tarball.stat().st_size,
            "tarball_sha256": pins.file_sha256(tarball),
            "sha256": hashlib.sha256(listing.encode()).hexdigest(),
            "files": {path: digest[:12] for path, digest in digests.items()},
        }
    file = tmp_path / "pins.json"
    file.write_text(json.dumps(data))
    monkeypatch.setattr(pins, "_PINS_FILE", file)
    return given_folder


def unpacked(folder: Path) -> Path:
    for name, files in CONTENT.items():
        for path, content in files.items():
            target = folder / f"tree-of-{name}" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    return folder


def test_tarballs_are_unpacked_once(small: Path) -> None:
    steps: list[Step] = []
    first = sources.get(small, progress=steps.append)
    assert (first.micropython / "extmod/modlwip.c").read_bytes() == b"// sockets\n"
    assert (first.lwip / "src/core/ipv4/ip4.c").is_file()
    assert len(steps) == 2
    assert sources.get(progress=steps.append) == first
    assert len(steps) == 2, "the second run had nothing to do"


def test_only_pinned_files_come_out_of_an_archive(small: Path) -> None:
    got = sources.get(small)
    found = {path.name for path in got.lwip.parent.rglob("*") if path.is_file()}
    assert found == {"mpconfig.h", "modlwip.c", "tcp.c", "ip4.c"}
    assert not list(small.parent.rglob("evil"))


def test_unpacked_trees_are_taken_whatever_they_are_called(small: Path, tmp_path: Path) -> None:
    del small
    got = sources.get(unpacked(tmp_path / "trees"))
    assert (got.micropython / "py/mpconfig.h").is_file()


def test_altered_tarball_is_refused(small: Path) -> None:
    victim = small / "lwip.orig.tar.xz"
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    with pytest.raises(BuildError, match=r"lwip\.orig\.tar\.xz is not .*expected.*found.*tag lwIP"):
        sources.get(small)


def test_altered_tree_is_refused_and_the_file_named(small: Path, tmp_path: Path) -> None:
    del small
    trees = unpacked(tmp_path / "trees")
    (trees / "tree-of-lwIP/src/core/tcp.c").write_bytes(b"// tcp, improved\n")
    (trees / "tree-of-lwIP/src/core/ipv4/ip4.c").unlink()
    with pytest.raises(BuildError, match=r"ip4\.c \(missing\), src/core/tcp\.c.*unchanged tree"):
        sources.get(trees)


def test_wrong_folder_is_refused_even_if_the_cache_has_everything(
    small: Path, tmp_path: Path
) -> None:
    sources.get(small)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BuildError, match=r"neither micropython\.orig.*--sources DIR"):
        sources.get(tmp_path / "empty")
    with pytest.raises(BuildError, match="is no folder"):
        sources.get(tmp_path / "missing")


def test_changed_cache_is_noticed_before_a_build(small: Path) -> None:
    got = sources.get(small)
    sources.check(got)
    (got.lwip / "src/core/tcp.c").write_bytes(b"// hand-edited\n")
    with pytest.raises(BuildError, match=r"cached copy of lwIP was changed: .*src/core/tcp\.c"):
        sources.check(got)


def test_without_a_mirror_the_error_names_files_and_tags(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "find", lambda: [])
    with pytest.raises(BuildError) as caught:
        sources.get()
    message = str(caught.value)
    for tree in pins.load().trees:
        assert tree.tarball in message
        assert tree.tarball_sha256 in message
        assert tree.tag in message
    assert "--sources DIR" in message
    assert small.is_dir()


def test_mirror_with_another_version_is_refused_and_the_next_one_asked(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def download(mirror: mirrors.Mirror, packages: tuple[str, ...], folder: Path) -> None:
        assert packages == ("micropython", "lwip")
        asked.append(mirror.uri)
        if mirror.uri == "first":
            (folder / "lwip_9.9.orig.tar.xz").write_bytes(b"")
            return
        for tarball in small.iterdir():
            (folder / tarball.name).write_bytes(tarball.read_bytes())

    both = [mirrors.Mirror("first", ("stable",)), mirrors.Mirror("second", ("stable",))]
    monkeypatch.setattr(mirrors, "find", lambda: both)
    monkeypatch.setattr(mirrors, "download", download)
    assert sources.get().lwip.is_dir()
    assert asked == ["first", "second"]
    assert not list((small.parent / "cache/sources").glob("fetch-*"))


def test_apt_error_about_keys_says_which_package_helps() -> None:
    text = mirrors._explain("update", ["E: The repository ... is not signed."])
    assert "debian-archive-keyring" in text
    assert "debian-archive-keyring" not in mirrors._explain("update", ["E: Could not connect"])


def test_second_writer_waits_until_its_deadline(tmp_path: Path) -> None:
    steps: list[Step] = []
    with exclusive(tmp_path):
        with pytest.raises(DeadlineExceeded, match="another lwipscope process"):
            with exclusive(tmp_path, timeout_s=0.05, progress=steps.append):
                pytest.fail("two writers at once")
    assert len(steps) == 1
    with exclusive(tmp_path, timeout_s=0.0):
        pass
