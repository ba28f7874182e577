"""A folder on disk: written whole or not at all, hashed, versioned; no pickle."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from enterprise_recsys.errors import ArtifactError

FORMAT_VERSION = 6
"""Raised when a reader of the older form could not read the newer one, or would read other numbers out of it."""

KEPT = 2
"""Older versions that stay beside the current one: what a reader has just opened, and what one may go back to."""

_CURRENT = "CURRENT"
_MANIFEST = "MANIFEST.json"
_STAGING = ".staging-"
# The time leads, so that sorted names are in order of publishing; microseconds keep that true within one second.
_VERSION = re.compile(r"v-\d{8}T\d{12}Z-[0-9a-f]{8}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_CURRENT_BYTES = 256
_MANIFEST_BYTES = 16 << 20
_MEND = "Train and save again, or restore a copy of the whole folder."


@dataclass(frozen=True)
class FileEntry:
    """What the manifest says of one file.

    Attributes:
        sha256: 64 hexadecimal digits.
        size: bytes.
    """

    sha256: str
    size: int


@dataclass(frozen=True)
class Manifest:
    """What a version of a bundle says of itself; every file in it is listed with its hash.

    Attributes:
        format_version: the form of the bundle, FORMAT_VERSION of the writer.
        kind: what the bundle holds, for instance "recommender".
        version: the name of the version's folder, `v-<utc time>-<8 hex>`.
        created: UTC, ISO 8601.
        meta: the publisher's own remarks, JSON values.
        files: path inside the version, with `/` -> its hash and size.
    """

    format_version: int
    kind: str
    version: str
    created: str
    meta: Mapping[str, object]
    files: Mapping[str, FileEntry]


def publish(folder: Path | str, files: Callable[[Path], None], *, kind: str, meta: Mapping[str, object]) -> str:
    """Write a new version of a bundle whole or not at all, and make it the current one.

    A failure at any step, be it a crash of the machine, leaves the old version current; the next publish sweeps what
    was left behind. One writer at a time; readers need not wait.

    Args:
        folder: the bundle; made if absent. Its versions lie beside each other, and CURRENT names one of them.
        files: writes the bundle's files into the empty folder it is given; folders inside are allowed, links are not.
        kind: what the bundle holds; `opened` asks for the same word.
        meta: remarks for the manifest; JSON values.

    Returns:
        The version's name.

    Raises:
        ArtifactError: `files` wrote nothing, a link, or a name of the bundle's own; `meta` is not JSON.
    """
    folder = Path(folder)
    _make(folder)
    for left_behind in folder.glob(f"{_STAGING}*"):
        shutil.rmtree(left_behind, ignore_errors=True)
    staging = folder / f"{_STAGING}{uuid.uuid4().hex}"
    try:
        staging.mkdir()
        files(staging)
        version = _seal(staging, kind, meta)
        os.replace(staging, folder / version)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)  # a full disk is the likeliest cause: do not keep it full
        raise
    # The version must be on disk under its name before CURRENT may name it.
    _sync(folder)
    _write(folder / f"{_CURRENT}.tmp", f"{version}\n".encode())
    os.replace(folder / f"{_CURRENT}.tmp", folder / _CURRENT)
    _sync(folder)
    _sweep(folder, version)
    return version


def keep_current(folder: Path | str) -> None:
    """Remove every version but the current one, for what an older one holds must be gone."""
    folder = Path(folder)
    current = _current(folder)
    for path in folder.glob("v-*"):
        if _VERSION.fullmatch(path.name) and path.name != current:
            shutil.rmtree(path)
    _sync(folder)


def opened(folder: Path | str, *, kind: str) -> tuple[Path, Manifest]:
    """Give the current version's folder, verified to the last byte before anything in it is parsed.

    Args:
        folder: the bundle, as `publish` wrote it.
        kind: what the bundle must hold.

    Returns:
        The version's folder, and its manifest.

    Raises:
        ArtifactError: the folder, CURRENT, the manifest or a listed file is absent, damaged, of another size, hash,
            kind or format version; a file is not listed; a link stands where a file should.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ArtifactError(f"no saved folder at {folder}: train and save one there first, or check the path.")
    path = folder / _current(folder)
    if path.is_symlink() or not path.is_dir():
        raise ArtifactError(f"{folder / _CURRENT} names {path.name}, and no such folder lies beside it. {_MEND}")
    manifest = _read_manifest(path, kind)
    _verify(path, manifest)
    return path, manifest


def _make(folder: Path) -> None:
    """Make the bundle's folder, its parents too, and put the names on disk."""
    missing = [step for step in (folder, *folder.parents) if not step.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for step in missing:
        _sync(step.parent)


def _seal(staging: Path, kind: str, meta: Mapping[str, object]) -> str:
    """Write the manifest, put all of the staging folder on disk, and give the version its name."""
    now = datetime.now(UTC)
    body = _plain(
        {
            "format_version": FORMAT_VERSION,
            "kind": kind,
            "created": now.isoformat(),
            "meta": dict(meta),
            "files": {name: asdict(entry) for name, entry in _entries(staging).items()},
        }
    )
    version = f"v-{now:%Y%m%dT%H%M%S%f}Z-{_seal_of(body)}"
    _write(staging / _MANIFEST, json.dumps({"version": version, **body}, indent=2, sort_keys=True).encode())
    for inside in [path for path in staging.rglob("*") if path.is_dir()]:
        _sync(inside)
    _sync(staging)
    return version


def _seal_of(body: Mapping[str, object]) -> str:
    """Eight hex digits that end the version's name: a hash of the manifest, so that CURRENT vouches for it too."""
    without_name = {key: value for key, value in body.items() if key != "version"}
    return hashlib.sha256(json.dumps(without_name, sort_keys=True).encode()).hexdigest()[:8]


def _plain(body: dict[str, object]) -> dict[str, object]:
    """The body as a reader of the JSON gets it: tuples are lists, keys are text."""
    try:
        plain: dict[str, object] = json.loads(json.dumps(body, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(
            f"the bundle's meta cannot be written as JSON: {error}. Use text, finite numbers, booleans, None, lists "
            "and dicts with text keys."
        ) from error
    return plain


def _entries(staging: Path) -> dict[str, FileEntry]:
    """Hash, measure and fsync every file that the publisher wrote, in order of name."""
    entries = {}
    for name, path in _walk(staging).items():
        if name == _MANIFEST:
            raise ArtifactError(f"the bundle may not write a file named {_MANIFEST}: that name is the manifest's own.")
        if not _is_inside(name):
            raise ArtifactError(f"the bundle wrote a file named {name!r}; use names without backslashes.")
        entries[name] = _measured(path)
        _sync(path)
    if not entries:
        raise ArtifactError("the bundle wrote no file at all; a version holds at least one.")
    return entries


def _walk(root: Path) -> dict[str, Path]:
    """Every file under a version, by its path with `/`, in order; anything but plain files and folders is refused."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            raise ArtifactError(f"{name} in {root} is a link; a bundle holds plain files only. Put a copy there.")
        if path.is_file():
            found[name] = path
        elif not path.is_dir():
            raise ArtifactError(f"{name} in {root} is neither a file nor a folder. {_MEND}")
    return found


def _measured(path: Path) -> FileEntry:
    """Hash and size of a file on disk."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return FileEntry(digest, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}. Check its permissions.") from error


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    """Put a file's bytes, or a folder's list of names, on disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _sweep(folder: Path, current: str) -> None:
    """Remove all but the newest old versions; never fails, for the new version is already current."""
    older = sorted(path for path in folder.glob("v-*") if _VERSION.fullmatch(path.name) and path.name != current)
    for path in older[:-KEPT]:
        shutil.rmtree(path, ignore_errors=True)


def _current(folder: Path) -> str:
    """The version that CURRENT names."""
    path = folder / _CURRENT
    if path.is_symlink():
        raise ArtifactError(f"{path} is a link; it must be a plain file that names a version. {_MEND}")
    if not path.is_file():
        raise ArtifactError(f"{path} is missing: the folder is half-written, or no saved model at all. {_MEND}")
    name = _read(path, _CURRENT_BYTES).decode(errors="replace").strip()
    if not _VERSION.fullmatch(name):
        raise ArtifactError(
            f"{path} must hold the name of one version (v-<time>-<8 hex>) and holds {name[:80]!r}. {_MEND}"
        )
    return name


def _read(path: Path, limit: int) -> bytes:
    """A small file, whole; refused when over `limit` bytes, so that damage cannot fill the memory."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}. Check its permissions.") from error
    if len(data) > limit:
        raise ArtifactError(f"{path} is over {limit} bytes, and should be far smaller. {_MEND}")
    return data


def _read_manifest(version: Path, kind: str) -> Manifest:
    """The manifest of a version, of this format and of the kind asked for."""
    path = version / _MANIFEST
    if path.is_symlink() or not path.is_file():
        raise ArtifactError(f"{path} is missing, or not a plain file: the version is damaged. {_MEND}")
    try:
        stored = json.loads(_read(path, _MANIFEST_BYTES))
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} is damaged: it is not JSON ({error}). {_MEND}") from error
    if not isinstance(stored, dict):
        raise ArtifactError(f"{path} is damaged: it holds a {type(stored).__name__} and not an object. {_MEND}")
    found = stored.get("format_version")
    if type(found) is not int or found != FORMAT_VERSION:
        if isinstance(found, int) and found > FORMAT_VERSION:
            mend = "upgrade enterprise_recsys, or train and save again with this version."
        else:
            mend = "train and save again, or restore a copy of the whole folder."
        raise ArtifactError(f"{path}: written by format {found}; this package reads {FORMAT_VERSION}: {mend}")
    manifest = _parsed(stored, path)
    if not version.name.endswith(f"-{_seal_of(stored)}"):
        raise ArtifactError(f"{path} is damaged: it does not match the hash in the version's name. {_MEND}")
    if manifest.version != version.name:
        raise ArtifactError(f"{path} is of version {manifest.version!r} and lies in {version.name!r}. {_MEND}")
    if manifest.kind != kind:
        raise ArtifactError(
            f"{version.parent} holds kind {manifest.kind!r}, and kind {kind!r} was asked for. Check the path."
        )
    return manifest


def _parsed(stored: dict[str, object], path: Path) -> Manifest:
    """A manifest out of JSON, every field checked."""
    kind, version, created = stored.get("kind"), stored.get("version"), stored.get("created")
    meta, files = stored.get("meta"), stored.get("files")
    if not (isinstance(kind, str) and isinstance(version, str) and isinstance(created, str)):
        raise ArtifactError(f"{path} is damaged: kind, version and created must be text. {_MEND}")
    if not isinstance(meta, dict) or not isinstance(files, dict) or not files:
        raise ArtifactError(f"{path} is damaged: meta and files must be objects, and files not empty. {_MEND}")
    entries = {}
    for name, entry in files.items():
        sha256 = entry.get("sha256") if isinstance(entry, dict) else None
        size = entry.get("size") if isinstance(entry, dict) else None
        if not _is_inside(name):
            raise ArtifactError(f"{path} is damaged: it lists {name!r}, which is no path inside the version. {_MEND}")
        if not (isinstance(sha256, str) and _SHA256.fullmatch(sha256) and type(size) is int and size >= 0):
            raise ArtifactError(f"{path} is damaged: the entry of {name!r} needs a sha256 and a size. {_MEND}")
        entries[name] = FileEntry(sha256, size)
    return Manifest(FORMAT_VERSION, kind, version, created, meta, entries)


def _is_inside(name: str) -> bool:
    steps = name.split("/")
    return not any(step in ("", ".", "..") for step in steps) and "\\" not in name and "\0" not in name


def _verify(version: Path, manifest: Manifest) -> None:
    """Hold the files on disk to the manifest: none missing, none besides, sizes first, then hashes."""
    found = _walk(version)
    found.pop(_MANIFEST, None)
    for name in manifest.files:
        if name not in found:
            raise ArtifactError(f"{name} is missing in {version}. {_MEND}")
    for name in found:
        if name not in manifest.files:
            raise ArtifactError(f"{name} in {version} is not listed in {_MANIFEST}: remove it. {_MEND}")
    for name, entry in manifest.files.items():
        size = found[name].stat().st_size
        if size != entry.size:
            raise ArtifactError(f"{name} in {version} has {size} bytes and should have {entry.size}. {_MEND}")
    for name, entry in manifest.files.items():
        if _measured(found[name]).sha256 != entry.sha256:
            raise ArtifactError(f"{name} in {version} is damaged: its bytes do not match their sha256. {_MEND}")
