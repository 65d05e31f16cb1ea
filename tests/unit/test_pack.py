"""Images and packs: what was packed comes back, and nothing damaged is ever run."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lwipscope.cli.main import main
from lwipscope.errors import BuildError
from lwipscope.firmware import build, cache, images, pack, pins, provenance, selection
from lwipscope.firmware.firmware import Firmware, Profile, check_elf


def elf(*, kind: int = 2, machine: int = 40, body: bytes = b"code" * 64) -> bytes:
    """A 32-bit little-endian ELF header, a body and a section table of one entry."""
    head = struct.pack(
        "<16sHHIIIIIHHHHHH",
        *(b"\x7fELF\x01\x01\x01", kind, machine, 1, 0, 52, 52 + len(body), 0),
        *(52, 32, 0, 40, 1, 0),
    )
    return head + body + bytes(40)


def image(folder: Path, profile: str = "roomy", **changes: Any) -> Firmware:
    content = elf()
    record = {
        "format": 1,
        "build": "0123456789ab",
        "profile": profile,
        "elf_sha256": hashlib.sha256(content).hexdigest(),
        "lwip_options": {"TCP_MSS": 1460},
    } | changes
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "firmware.elf").write_bytes(content)
    (folder / "provenance.json").write_bytes(provenance.as_json(record))
    return Firmware.load(folder)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LWIPSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_image_tells_what_it_is(tmp_path: Path) -> None:
    firmware = image(tmp_path / "a", "rp2")
    assert firmware.profile == "rp2"
    assert firmware.build_id == "0123456789ab"
    assert firmware.options == {"TCP_MSS": 1460}
    assert Firmware.load(firmware.elf) == firmware


def test_altered_elf_is_refused(tmp_path: Path) -> None:
    firmware = image(tmp_path / "a")
    content = bytearray(firmware.elf.read_bytes())
    content[60] ^= 1
    firmware.elf.write_bytes(content)
    with pytest.raises(BuildError, match=r"was altered: .*expects SHA-256 .*found"):
        Firmware.load(firmware.elf)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#!/bin/sh\n" * 20,
        elf(machine=62),
        elf(kind=1),
        elf()[:-1],
        elf()[:40],
        b"\x7fELF\x02\x01" + elf()[6:],
        b"\x7fELF\x01\x02" + elf()[6:],
    ],
    ids=["empty", "script", "x86", "object", "cut", "head", "64-bit", "big-endian"],
)
def test_what_is_no_firmware_is_refused(content: bytes) -> None:
    with pytest.raises(BuildError, match=r"thing is no firmware for the emulated board"):
        check_elf(content, "thing")


@pytest.mark.parametrize(
    "changes", [{"format": 2}, {"profile": "huge"}, {"build": 7}, {"lwip_options": None}]
)
def test_provenance_of_another_form_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(BuildError, match=r"provenance\.json has"):
        image(tmp_path / "a", **changes)


def test_elf_without_provenance_is_refused(tmp_path: Path) -> None:
    firmware = image(tmp_path / "a")
    (tmp_path / "a/provenance.json").unlink()
    with pytest.raises(BuildError, match=r"provenance\.json cannot be read"):
        Firmware.load(firmware.elf)


# --- packs -------------------------------------------------------------------------------------


def test_round_trip(tmp_path: Path) -> None:
    firmware = image(tmp_path / "a")
    file = pack.pack(firmware, tmp_path / "out/board.zip")
    used = pack.use(file)
    assert used.provenance == firmware.provenance
    assert used.elf.read_bytes() == firmware.elf.read_bytes()
    file.unlink()
    assert pack.current("roomy") == used
    assert pack.current("rp2") is None


def test_a_pack_in_use_can_be_given_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack.use(pack.pack(image(tmp_path / "made"), tmp_path / "roomy.pack"))
    for said in ("no longer in use: the pack for roomy; ", ""):
        assert main(["firmware", "use", "--built"]) == 0
        assert (
            capsys.readouterr().out
            == f"{said}the firmware that is built from the sources is in use\n"
        )
        assert pack.current("roomy") is None


def test_same_image_gives_same_pack(tmp_path: Path) -> None:
    one = pack.pack(image(tmp_path / "a"), tmp_path / "one.zip")
    two = pack.pack(image(tmp_path / "b"), tmp_path / "two.zip")
    assert one.read_bytes() == two.read_bytes()


def test_image_altered_after_loading_is_not_packed(tmp_path: Path) -> None:
    firmware = image(tmp_path / "a")
    firmware.elf.write_bytes(elf(body=b"evil" * 64))
    with pytest.raises(BuildError, match="was altered"):
        pack.pack(firmware, tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    file = pack.pack(image(tmp_path / "a"), tmp_path / "x.zip")
    content = file.read_bytes()
    for length in range(len(content)):
        file.write_bytes(content[:length])
        with pytest.raises(BuildError, match=r"x\.zip"):
            pack.use(file)
    assert pack.current("roomy") is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_altered_pack_is_refused_or_harmless(tmp_path: Path, data: st.DataObject) -> None:
    firmware = image(tmp_path / "a")
    file = pack.pack(firmware, tmp_path / "x.zip")
    content = bytearray(file.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    try:
        used = pack.unpack(file)
    except BuildError:
        return
    # Times and the like may differ; the image may not.
    assert used.elf.read_bytes() == firmware.elf.read_bytes()
    assert used.provenance == firmware.provenance


def zipped(path: Path, **members: bytes) -> Path:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in members.items():
            target.writestr(name, content)
    path.write_bytes(archive.getvalue())
    return path


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"firmware.elf": elf()},
        {"firmware.elf": elf(), "provenance.json": b"{}", "../../evil": b"x"},
        {"firmware.elf": bytes(65 << 20), "provenance.json": b"{}"},
    ],
    ids=["empty", "half", "stranger", "bomb"],
)
def test_archives_of_other_things_are_refused(tmp_path: Path, members: dict[str, bytes]) -> None:
    file = zipped(tmp_path / "x.zip", **members)
    with pytest.raises(BuildError, match="no intact firmware pack"):
        pack.use(file)


def test_pack_with_a_foreign_elf_is_refused(tmp_path: Path) -> None:
    record = (image(tmp_path / "a").elf.with_name("provenance.json")).read_bytes()
    other = {"firmware.elf": elf(machine=62), "provenance.json": record}
    with pytest.raises(BuildError, match="no firmware for the emulated board"):
        pack.use(zipped(tmp_path / "x.zip", **other))
    swapped = {"firmware.elf": elf(body=b"evil" * 64), "provenance.json": record}
    with pytest.raises(BuildError, match="was altered"):
        pack.use(zipped(tmp_path / "x.zip", **swapped))


def test_missing_pack_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"nowhere\.zip cannot be read"):
        pack.use(tmp_path / "nowhere.zip")


def test_damage_in_the_cache_is_noticed_and_mended(tmp_path: Path) -> None:
    file = pack.pack(image(tmp_path / "a"), tmp_path / "x.zip")
    used = pack.use(file)
    used.elf.write_bytes(b"gone")
    with pytest.raises(BuildError, match=r"chosen pack x\.zip is no longer intact"):
        pack.current("roomy")
    assert pack.use(file).elf.read_bytes() == elf()
    assert pack.current("roomy") == used


def test_damaged_pointer_is_named(own_cache: Path) -> None:
    (own_cache / "firmware").mkdir(parents=True)
    (own_cache / "firmware/current-rp2.json").write_text("[]")
    with pytest.raises(BuildError, match=r"current-rp2\.json is damaged"):
        pack.current("rp2")


# --- which image is run ------------------------------------------------------------------------


def test_named_file_beats_pack_in_use_beats_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = image(tmp_path / "built", build="built")

    def fake_build(profile: Profile, **options: object) -> Firmware:
        del profile, options
        return made

    monkeypatch.setattr(build, "build", fake_build)
    assert selection.choose("roomy").build_id == "built"
    pack.use(pack.pack(image(tmp_path / "b", build="packed"), tmp_path / "b.zip"))
    assert selection.choose("roomy").build_id == "packed"
    named = pack.pack(image(tmp_path / "c", build="named"), tmp_path / "c.zip")
    assert selection.choose("roomy", file=named).build_id == "named"
    assert selection.choose("roomy", file=tmp_path / "c").build_id == "named"
    assert selection.choose("roomy").build_id == "packed", "naming a file doesn't choose it"
    assert pack.forget("roomy") and not pack.forget("roomy")
    assert selection.choose("roomy").build_id == "built"


def test_file_of_another_profile_is_refused(tmp_path: Path) -> None:
    image(tmp_path / "a", "rp2")
    with pytest.raises(BuildError, match=r"profile 'rp2', but 'roomy' was asked for"):
        selection.choose("roomy", file=tmp_path / "a")


def test_old_images_are_forgotten(tmp_path: Path) -> None:
    source = image(tmp_path / "a")
    record = source.elf.with_name("provenance.json").read_bytes()
    for number in range(12):
        images.install(f"roomy-{number:02}", elf(), record)
    images.install("packed-roomy-1", elf(), record)
    images.forget_old("roomy")
    assert len(list(images.folder().glob("roomy-*"))) == 8
    assert images.find("roomy-11") is not None
    assert images.find("packed-roomy-1") is not None


def test_clean_removes_what_is_ours_and_nothing_else(tmp_path: Path, own_cache: Path) -> None:
    pack.use(pack.pack(image(tmp_path / "a"), tmp_path / "x.zip"))
    (own_cache / "holiday.jpg").write_bytes(b"")
    assert cache.clear() == [own_cache / "firmware"]
    assert [path.name for path in own_cache.iterdir()] == ["holiday.jpg"]
    (own_cache / "holiday.jpg").unlink()
    assert cache.clear() == []


# --- inputs ------------------------------------------------------------------------------------


def inputs(**files: bytes) -> provenance.Inputs:
    return provenance.Inputs(pins.load(), "roomy", "gcc 1", "recipe", files)


def test_key_changes_with_every_input_and_shape_only_if_make_must_start_anew() -> None:
    base = inputs(**{"a.c": b"1", "b.mk": b"1"})
    code = inputs(**{"a.c": b"2", "b.mk": b"1"})
    flags = inputs(**{"a.c": b"1", "b.mk": b"2"})
    more = inputs(**{"a.c": b"1", "b.mk": b"1", "c.h": b""})
    assert len({one.key() for one in (base, code, flags, more)}) == 4
    assert code.shape() == base.shape()
    assert len({one.shape() for one in (base, flags, more)}) == 3


def test_provenance_has_no_paths_and_no_times() -> None:
    record = provenance.record(inputs(**{"port/a.c": b"x"}), "abc", elf(), {"B": 1, "A": "x"})
    text = provenance.as_json(record).decode()
    assert json.loads(text)["lwip_options"] == {"A": "x", "B": 1}
    assert str(Path.home()) not in text
    assert record["elf_sha256"] == hashlib.sha256(elf()).hexdigest()
