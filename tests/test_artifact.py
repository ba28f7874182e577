"""A bundle is the old one or the new one, whole: crashes, damage and tricks included."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from enterprise_recsys import artifact
from enterprise_recsys.artifact import FORMAT_VERSION, KEPT, FileEntry, opened, publish
from enterprise_recsys.errors import ArtifactError

META = {"model": "two_stage", "nested": {"epochs": 3, "rate": 0.1}, "none": None}


def writes(text: str) -> Callable[[Path], None]:
    """A publisher of three files, one of them in a folder."""

    def files(staging: Path) -> None:
        (staging / "weights.bin").write_bytes(text.encode() * 1000)
        (staging / "empty.txt").touch()
        (staging / "index").mkdir()
        (staging / "index" / "base.bin").write_bytes(bytes(range(256)))

    return files


def text_of(folder: Path) -> str:
    """Which of the publishers wrote the current version."""
    path, _ = opened(folder, kind="model")
    return (path / "weights.bin").read_bytes().decode().rstrip("0")[:3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "artifact"


@pytest.fixture
def saved(folder: Path) -> Path:
    publish(folder, writes("old"), kind="model", meta=META)
    return folder


def version_of(folder: Path) -> Path:
    return folder / (folder / "CURRENT").read_text().strip()


def refusal(folder: Path, kind: str = "model") -> str:
    with pytest.raises(ArtifactError) as caught:
        opened(folder, kind=kind)
    return str(caught.value)


# Round trips -------------------------------------------------------------------------------------------------------


def test_what_is_published_is_opened(folder: Path) -> None:
    version = publish(folder, writes("old"), kind="model", meta=META)
    path, manifest = opened(str(folder), kind="model")
    assert path == folder / version
    assert re.fullmatch(r"v-\d{8}T\d{12}Z-[0-9a-f]{8}", version)
    assert (path / "index" / "base.bin").read_bytes() == bytes(range(256))
    assert manifest.kind == "model"
    assert manifest.version == version
    assert manifest.format_version == FORMAT_VERSION
    assert manifest.meta == META
    assert sorted(manifest.files) == ["empty.txt", "index/base.bin", "weights.bin"]
    # sha256sum of no bytes
    assert manifest.files["empty.txt"] == FileEntry(
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 0
    )
    assert manifest.files["weights.bin"].size == 3000


def test_a_second_publish_becomes_current_and_the_first_stays(saved: Path) -> None:
    first = version_of(saved)
    second = publish(saved, writes("new"), kind="model", meta={})
    assert text_of(saved) == "new"
    assert first.is_dir()
    assert first.name < second, "names sort by time"


def test_only_the_newest_old_versions_are_kept(folder: Path) -> None:
    versions = [publish(folder, writes("old"), kind="model", meta={}) for _ in range(5)]
    assert sorted(path.name for path in folder.iterdir()) == ["CURRENT", *versions[-1 - KEPT :]]


def test_only_versions_are_swept(saved: Path) -> None:
    (saved / "v-notes").mkdir()
    (saved / "notes.txt").touch()
    for _ in range(4):
        publish(saved, writes("new"), kind="model", meta={})
    assert (saved / "v-notes").is_dir()
    assert (saved / "notes.txt").is_file()


def test_meta_may_hold_tuples_and_numbers_as_keys(folder: Path) -> None:
    publish(folder, writes("old"), kind="model", meta={"dims": (128, 64), "of": {10: "a", 9: "b"}})
    assert opened(folder, kind="model")[1].meta == {"dims": [128, 64], "of": {"10": "a", "9": "b"}}


def test_a_saved_folder_may_be_moved_and_reached_by_a_link(saved: Path, tmp_path: Path) -> None:
    moved = saved.rename(tmp_path / "moved")
    (tmp_path / "link").symlink_to(moved)
    assert text_of(tmp_path / "link") == "old"


def test_there_is_no_pickle_in_the_code() -> None:
    source = Path(artifact.__file__).read_text()
    assert not re.search(r"^\s*(import|from) (pickle|marshal|shelve|joblib|dill)", source, re.MULTILINE)


# What a publisher may not write ------------------------------------------------------------------------------------


def test_meta_that_is_not_json_is_refused(saved: Path) -> None:
    for wrong in ({"a": float("nan")}, {"a": Path("x")}, {("a",): 1}):
        with pytest.raises(ArtifactError, match="meta cannot be written as JSON"):
            publish(saved, writes("new"), kind="model", meta=wrong)  # type: ignore[arg-type]
    assert text_of(saved) == "old"


def test_a_publisher_that_writes_nothing_is_refused(saved: Path) -> None:
    with pytest.raises(ArtifactError, match="wrote no file at all"):
        publish(saved, lambda staging: None, kind="model", meta={})
    assert text_of(saved) == "old"


def test_a_publisher_may_not_write_the_manifest_a_link_or_a_backslash(saved: Path) -> None:
    tricks: list[tuple[Callable[[Path], object], str]] = [
        (lambda staging: (staging / "MANIFEST.json").touch(), "the manifest's own"),
        (lambda staging: (staging / "link").symlink_to("/etc/hostname"), "link in .* is a link"),
        (lambda staging: (staging / "a\\b").touch(), "without backslashes"),
        (lambda staging: os.mkfifo(staging / "pipe"), "neither a file nor a folder"),
    ]
    for trick, message in tricks:
        with pytest.raises(ArtifactError, match=message):
            publish(saved, lambda staging, do=trick: do(staging), kind="model", meta={})  # type: ignore[misc]
        assert text_of(saved) == "old"


# Crashes -----------------------------------------------------------------------------------------------------------


class Crash(BaseException):
    """Not an Exception: nothing may catch it by accident."""


def crash_at(call: int, step: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Make the given call of os.replace or os.fsync crash; what a dead process cannot do any more is not done."""
    real, count = getattr(os, step), 0

    def counted(*arguments: object) -> None:
        nonlocal count
        count += 1
        if count == call:
            raise Crash(f"{step} {call}")
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(os, step, counted)
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        yield call


@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_a_crash_at_any_step_leaves_old_or_new_and_the_next_publish_works(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    for call in range(1, 100):
        folder = tmp_path / str(call)
        publish(folder, writes("old"), kind="model", meta={})
        crashed = False
        for _ in crash_at(call, step, monkeypatch):
            try:
                publish(folder, writes("new"), kind="model", meta={})
            except Crash:
                crashed = True
        seen.append(text_of(folder))
        publish(folder, writes("end"), kind="model", meta={})
        assert text_of(folder) == "end"
        assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
        assert len(list(folder.glob("v-*"))) <= 1 + KEPT
        if not crashed:
            break
    assert not crashed, "publish must end"
    # Old up to the moment that CURRENT is renamed, new from then on: 2 renames; 3 files, the manifest, 2 folders,
    # the bundle, CURRENT.tmp, and the bundle again are put on disk.
    assert seen == (["old"] * 2 + ["new"] if step == "replace" else ["old"] * 8 + ["new"] * 2)


@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_a_crash_of_the_very_first_publish_leaves_a_folder_that_says_so(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for call in range(1, 100):
        folder = tmp_path / str(call)
        for _ in crash_at(call, step, monkeypatch):
            try:
                publish(folder, writes("new"), kind="model", meta={})
            except Crash:
                pass
            else:
                return
        if not (folder / "CURRENT").exists():
            assert "half-written" in refusal(folder)
        publish(folder, writes("end"), kind="model", meta={})
        assert text_of(folder) == "end"
    pytest.fail("publish must end")


def test_a_failing_writer_leaves_the_old_version_and_no_rubbish(saved: Path) -> None:
    def files(staging: Path) -> None:
        writes("new")(staging)
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space left"):
        publish(saved, files, kind="model", meta={})
    assert text_of(saved) == "old"
    assert [path.name for path in saved.iterdir() if path.name.startswith(".")] == []


def test_everything_is_on_disk_before_a_name_points_to_it(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_fsync, real_replace = os.fsync, os.replace
    on_disk: set[int] = set()
    named: list[str] = []

    def fsync(number: int) -> None:
        on_disk.add(os.fstat(number).st_ino)
        real_fsync(number)

    def replace(source: Path, target: Path) -> None:
        parts = [source, *source.rglob("*")]
        assert [part for part in parts if part.stat().st_ino not in on_disk] == []
        if target.name == "CURRENT":
            assert saved.stat().st_ino in on_disk, "the version's name itself must be on disk"
        on_disk.discard(saved.stat().st_ino)
        named.append(target.name)
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    version = publish(saved, writes("new"), kind="model", meta={})
    assert named == [version, "CURRENT"]
    assert saved.stat().st_ino in on_disk, "and CURRENT's"


# Damage ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["weights.bin", "index/base.bin"])
def test_a_flipped_byte_anywhere_is_found_and_the_file_named(saved: Path, name: str) -> None:
    path = version_of(saved) / name
    whole = path.read_bytes()
    for place in sorted({0, 1, len(whole) // 2, len(whole) - 1}):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        message = refusal(saved)
        assert message.startswith(f"{name} in ")
        assert "damaged" in message
        assert "Train and save again, or restore a copy" in message
    path.write_bytes(whole)
    assert text_of(saved) == "old"


def test_a_file_cut_short_grown_or_deleted_is_found(saved: Path) -> None:
    path = version_of(saved) / "weights.bin"
    whole = path.read_bytes()
    for wrong in (b"", whole[:-1], whole + b"x"):
        path.write_bytes(wrong)
        assert f"has {len(wrong)} bytes and should have 3000" in refusal(saved)
    path.unlink()
    assert re.match(r"weights.bin is missing in .*Train and save again", refusal(saved))


def test_a_file_that_is_not_listed_is_found(saved: Path) -> None:
    (version_of(saved) / "index" / "extra.bin").touch()
    assert re.match(r"index/extra.bin in .* is not listed in MANIFEST.json: remove it", refusal(saved))


def test_a_link_in_place_of_a_file_is_refused(saved: Path, tmp_path: Path) -> None:
    path = version_of(saved) / "weights.bin"
    path.rename(tmp_path / "outside.bin")
    path.symlink_to(tmp_path / "outside.bin")
    assert "weights.bin in" in refusal(saved)
    assert "is a link" in refusal(saved)


def test_a_link_in_place_of_a_folder_is_refused(saved: Path, tmp_path: Path) -> None:
    inside = version_of(saved) / "index"
    inside.rename(tmp_path / "index")
    inside.symlink_to(tmp_path / "index")
    assert "index in" in refusal(saved)
    version = version_of(saved)
    version.rename(tmp_path / "version")
    version.symlink_to(tmp_path / "version")
    assert "no such folder lies beside it" in refusal(saved)


def test_a_flipped_byte_of_the_manifest_is_found(saved: Path) -> None:
    path = version_of(saved) / "MANIFEST.json"
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        # A space between two values may become another blank: then nothing has changed.
        if whole[place : place + 1].isspace() and bytes([whole[place] ^ 1]).isspace():
            continue
        assert "MANIFEST.json" in refusal(saved)


def test_a_manifest_that_is_absent_cut_or_no_object_is_found(saved: Path) -> None:
    path = version_of(saved) / "MANIFEST.json"
    for wrong, words in {b"": "not JSON", b"{": "not JSON", b"[1]": "holds a list", b"\xff": "not JSON"}.items():
        path.write_bytes(wrong)
        assert words in refusal(saved)
    path.write_bytes(b"[" * 100_000)
    assert "not JSON" in refusal(saved)
    path.unlink()
    assert "MANIFEST.json is missing" in refusal(saved)


def sealed(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    """Rewrite the manifest and put its hash right, as an ill-willed or a mistaken writer would."""
    version = version_of(folder)
    stored = json.loads((version / "MANIFEST.json").read_text())
    change(stored)
    name = f"v-20260101T000000000000Z-{artifact._seal_of(stored)}"
    if "version" in stored and stored["version"] == version.name:
        stored["version"] = name
    (version / "MANIFEST.json").write_text(json.dumps(stored))
    version.rename(folder / name)
    (folder / "CURRENT").write_text(name)


def test_a_listed_path_outside_the_version_is_refused(folder: Path) -> None:
    for name in ("../CURRENT", "/etc/hostname", "index/../../CURRENT", "a//b", "a\\b", ".", ""):
        shutil.rmtree(folder, ignore_errors=True)
        publish(folder, writes("old"), kind="model", meta={})
        sealed(folder, lambda stored, n=name: stored["files"].update({n: {"sha256": "0" * 64, "size": 1}}))  # type: ignore
        assert "is no path inside the version" in refusal(folder)


def test_a_manifest_of_the_wrong_form_is_refused(folder: Path) -> None:
    changes: list[tuple[dict[str, object], str]] = [
        ({"kind": 1}, "must be text"),
        ({"created": None}, "must be text"),
        ({"meta": []}, "meta and files must be objects"),
        ({"files": {}}, "files not empty"),
        ({"files": {"weights.bin": 1}}, "needs a sha256 and a size"),
        ({"files": {"weights.bin": {"sha256": "xyz", "size": 1}}}, "needs a sha256 and a size"),
        ({"files": {"weights.bin": {"sha256": "0" * 64, "size": -1}}}, "needs a sha256 and a size"),
        ({"files": {"weights.bin": {"sha256": "0" * 64, "size": True}}}, "needs a sha256 and a size"),
        ({"version": "v-1"}, "lies in"),
    ]
    for change, words in changes:
        shutil.rmtree(folder, ignore_errors=True)
        publish(folder, writes("old"), kind="model", meta={})
        sealed(folder, lambda stored, c=change: stored.update(c))  # type: ignore[misc]
        assert words in refusal(folder)


def test_another_format_is_refused_before_anything_else(saved: Path) -> None:
    path = version_of(saved) / "MANIFEST.json"
    path.write_text(json.dumps({"format_version": FORMAT_VERSION + 1, "entries": "a form not yet thought of"}))
    own = FORMAT_VERSION
    assert f"written by format {own + 1}; this package reads {own}: upgrade enterprise_recsys" in refusal(saved)
    for wrong in (0, own - 1, None, "2", True):
        path.write_text(json.dumps({"format_version": wrong}))
        assert f"written by format {wrong}; this package reads {own}: train and save again" in refusal(saved)


def test_another_kind_is_refused(saved: Path) -> None:
    assert re.search(r"holds kind 'model', and kind 'index' was asked for", refusal(saved, kind="index"))


def test_a_folder_without_current_is_half_written(saved: Path) -> None:
    (saved / "CURRENT").unlink()
    assert re.search(r"CURRENT is missing: the folder is half-written.*Train and save again", refusal(saved))


def test_a_current_that_names_no_version_is_refused(saved: Path) -> None:
    name = version_of(saved).name
    for wrong in ("", "\n", "../" + name, "v-1", name + "/..", f"{name}\n{name}", "\x00", "٣"):
        (saved / "CURRENT").write_text(wrong)
        assert "must hold the name of one version" in refusal(saved)
    (saved / "CURRENT").write_bytes(b"\xff\xfe")
    assert "must hold the name of one version" in refusal(saved)
    (saved / "CURRENT").write_bytes(b"x" * 10_000)
    assert "CURRENT is over 256 bytes" in refusal(saved)
    (saved / "CURRENT").write_text("v-20200101T000000000000Z-00000000")
    assert "no such folder lies beside it" in refusal(saved)


def test_a_current_that_is_a_link_is_refused(saved: Path, tmp_path: Path) -> None:
    (saved / "CURRENT").rename(tmp_path / "CURRENT")
    (saved / "CURRENT").symlink_to(tmp_path / "CURRENT")
    assert "CURRENT is a link" in refusal(saved)


def test_a_folder_that_is_absent_says_what_to_do(tmp_path: Path) -> None:
    assert re.match(
        r"no saved folder at .*: train and save one there first, or check the path", refusal(tmp_path / "x")
    )


def test_a_file_that_cannot_be_read_is_named(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.open
    for name in ("CURRENT", "MANIFEST.json", "weights.bin"):

        def refuses(path: Path, mode: str = "r", name: str = name) -> object:
            if path.name == name:
                raise PermissionError(13, "Permission denied")
            return real(path, mode)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", refuses)
            assert re.search(rf"{name} cannot be read: Permission denied. Check its permissions", refusal(saved))
