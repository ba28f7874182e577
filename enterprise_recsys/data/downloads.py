"""Published archives on this machine: found, or fetched, checked and unpacked; a broken download goes on later."""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from enterprise_recsys.errors import DataError

logger = logging.getLogger("enterprise_recsys")

MOVIELENS_URL = "https://files.grouplens.org/datasets/movielens"
TIMEOUT_S = 60.0
GROUPLENS = "GroupLens lets you use it for research and not pass it on; its README says all terms"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Archive:
    """A published set.

    Attributes:
        files: what its folder must hold.
        readme: the file with its terms; kept beside the others where the archive has it.
        algorithm, digest: the checksum that its publisher gives; no digest where there is none, since the set grows
            or was never given one (then the archive's own CRC of each file is what is checked).
        url: where the archive lies; empty is MovieLens's place for the set's name.
        licence: what one may do with it, for messages.
    """

    files: tuple[str, ...]
    readme: str
    algorithm: str
    digest: str
    url: str = ""
    licence: str = GROUPLENS


_DAT = ("ratings.dat", "movies.dat")
_CSV = ("ratings.csv", "movies.csv")

ARCHIVES: Mapping[str, Archive] = {
    "ml-100k": Archive(("u.data", "u.item", "u.user", "u.genre"), "README", "md5", "0e33842e24a9c977be4e0107933c0723"),
    "ml-1m": Archive((*_DAT, "users.dat"), "README", "md5", "c4d9eecfca2ab87c1945afe126590906"),
    "ml-10m": Archive(_DAT, "README.html", "md5", "ce571fd55effeba0271552578f2648bd"),
    "ml-20m": Archive(_CSV, "README.txt", "md5", "cd245b17a1ae2cc31bb14903e1204af3"),
    "ml-25m": Archive(_CSV, "README.txt", "md5", "6b51fb2759a8657d3bfcbfc42b592ada"),
    "ml-32m": Archive(_CSV, "README.txt", "md5", "d472be332d4daa821edc399621853b57"),
    "ml-latest": Archive(_CSV, "README.txt", "sha256", ""),
    "ml-latest-small": Archive(
        _CSV, "README.txt", "sha256", "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436"
    ),
    "goodbooks-10k": Archive(
        ("ratings.csv", "books.csv"),
        "README.md",
        "sha256",
        "",
        "https://github.com/zygmuntz/goodbooks-10k/releases/download/v1.0/goodbooks-10k.zip",
        "its repository says the terms",
    ),
}


def find(name: str, folder: Path | None, *, download: bool = False) -> Path:
    """Give the folder that holds a published set, fetched first if it is absent and download is True.

    The checksum holds for the archive that we fetch; a folder that is already there is taken as it is.

    Args:
        name: a name in `ARCHIVES`.
        folder: where it lies; None looks in `$RECSYS_DATA/<name>` (`../shared/data` if not set), then in
            `~/.cache/enterprise_recsys/<name>`.
        download: fetch it if it is not there.

    Raises:
        DataError: it is not there, or cannot be fetched.
    """
    cache = Path.home() / ".cache" / "enterprise_recsys" / name
    usual = [Path(os.environ.get("RECSYS_DATA") or "../shared/data") / name, cache]
    looked = usual if folder is None else [folder]
    files = ARCHIVES[name].files
    for place in looked:
        if all((place / file).is_file() for file in files):
            return place
    if not download:
        raise DataError(
            f"{name} is not on this machine; looked for {', '.join(files)} in "
            f"{' and '.join(str(place.absolute()) for place in looked)}. "
            f"Fetch it with --download (download=True); {ARCHIVES[name].licence}."
        )
    return fetch(name, looked[-1])


def fetch(name: str, target: Path) -> Path:
    """Download an archive, check it, and unpack the files that we read; whole or not at all.

    What a broken download has brought stays beside the target as `.<name>.zip.part`, and the next call goes on from
    there; the target itself appears only when all is checked.

    Args:
        name: a name in `ARCHIVES`.
        target: the folder to make; it must be absent or empty.

    Raises:
        DataError: no network, a wrong checksum, a damaged archive, or a folder in the way.
    """
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise DataError(f"{target} holds other files than {name}; remove it, or give another folder.")
    archive = ARCHIVES[name]
    url = archive.url or f"{MOVIELENS_URL}/{name}.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.parent / f".{name}.zip.part"
    try:
        _download(url, part)
    except (OSError, http.client.HTTPException) as error:
        kept = part.stat().st_size if part.exists() else 0
        if not kept:
            part.unlink(missing_ok=True)
        goes_on = f" {kept >> 20:,} MB are kept, and the next try goes on from there." if kept else ""
        raise DataError(
            f"{url} cannot be downloaded: {error}. Is this machine offline? By hand: fetch that archive elsewhere "
            f"and unpack it into {target}; {archive.licence}.{goes_on}"
        ) from error
    try:
        _check(part, url, archive)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{name}-") as made:
            unpacked = Path(made) / name
            unpacked.mkdir()
            _unpack(part, unpacked, url, archive)
            os.replace(unpacked, target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _download(url: str, part: Path) -> None:
    """Bring a file into `part`, going on after what is there already if the server can."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        return  # all of it is there; the checksum decides
    with answer:
        goes_on = answer.status == http.HTTPStatus.PARTIAL_CONTENT
        expected = answer.headers.get("Content-Length")
        with part.open("ab" if goes_on else "wb") as file:
            before = file.tell()
            shutil.copyfileobj(answer, file, _CHUNK)
            got = file.tell() - before
    if expected is not None and got != int(expected):
        raise OSError(f"the connection broke off after {got:,} of {int(expected):,} bytes")


def _check(part: Path, url: str, archive: Archive) -> None:
    with part.open("rb") as file:
        got = hashlib.file_digest(file, archive.algorithm).hexdigest()
    if not archive.digest:
        logger.info("%s: no checksum is published; this copy has the %s %s", url, archive.algorithm, got)
    elif got != archive.digest:
        raise DataError(
            f"{url} has the {archive.algorithm} {got}, and not {archive.digest}; nothing was kept. Try again: the "
            "download broke off, or the archive is not the official one."
        )


def _unpack(part: Path, unpacked: Path, url: str, archive: Archive) -> None:
    """Write the files that we read, each under the name that we give it: no entry chooses where it is written."""
    try:
        with zipfile.ZipFile(part) as content:
            members = {member.rpartition("/")[2]: member for member in sorted(content.namelist(), reverse=True)}
            for file in (*archive.files, archive.readme):
                if file not in members:
                    if file == archive.readme:
                        continue
                    raise DataError(f"{url} holds no {file}; right is the official archive. Nothing was kept.")
                with content.open(members[file]) as source, (unpacked / file).open("wb") as made:
                    shutil.copyfileobj(source, made, _CHUNK)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(
            f"{url} is damaged: {error}; nothing was kept. Try again, or fetch it by hand; {archive.licence}."
        ) from error
