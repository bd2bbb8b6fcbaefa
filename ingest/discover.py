"""Which files a root holds, and what each one is today: found, hashed only if size or time changed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pathspec

from ingest.areas import FILE_NAME as AREAS_FILE
from ingest.areas import area_titles
from retrieval.errors import ReadError
from retrieval.manifest import SourceRecord
from retrieval.models import file_sha256
from retrieval.text import valid

IGNORE_FILE = ".prepignore"
_IGNORED = (
    ".*",
    "node_modules/",
    "__pycache__/",
    "*.egg-info/",
    "venv/",
    "build/",
    "dist/",
    "site-packages/",
    "*.pyc",
    "*~",
    "~$*",
    "Thumbs.db",
)


@dataclass(frozen=True, slots=True)
class Found:
    """One file under a root; `relative` has forward slashes."""

    root: Path
    file: Path
    relative: str


def is_there(path: Path) -> bool:
    """Tell whether there is a file or folder at a path. Raises ReadError where the system does not tell."""
    try:
        return path.exists()
    except OSError as error:  # a name past 255 bytes, a folder above it that may not be entered
        raise ReadError(f"{path}: cannot be opened ({error.strerror}); check the path and its permissions") from error


def resolved(root: Path) -> Path:
    """Return the path of a root without links. Raises ReadError for a link that leads to itself."""
    try:
        return root.resolve()
    except RuntimeError as error:
        raise ReadError(f"{root}: a link that leads to itself; check the path") from error


def find_files(root: Path) -> list[Found]:
    """Return the regular files under a root, sorted, ignored ones left out; a file is a root of its own.

    Links that lead out of the root are not followed, and the file that names its areas is no
    material. Raises ReadError where nothing is there or may be seen, or .prepignore cannot be
    read or holds a line that is no pattern.
    """
    if not is_there(root):
        raise ReadError(f"{root}: no such file or folder; check the path")
    if root.is_file():
        return [Found(root.resolve(), root.resolve(), root.name)]
    if not root.is_dir():
        raise ReadError(f"{root}: neither a file nor a folder; give a path to your notes")
    base = root.resolve()
    found = sorted(_walk(base, _rules(base)), key=lambda f: f.relative)
    return [f for f in found if f.relative != AREAS_FILE or not area_titles([base])]


def _rules(base: Path) -> pathspec.GitIgnoreSpec:
    lines = list(_IGNORED)
    own = base / IGNORE_FILE
    try:
        if own.is_file():
            lines += own.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise ReadError(f"{own}: cannot be read ({error.strerror}); check the permissions of {base}") from error
    try:
        return pathspec.GitIgnoreSpec.from_lines(lines)
    except ValueError as error:
        raise ReadError(f"{own}: {error}; mend or remove that line") from error


def _walk(base: Path, rules: pathspec.GitIgnoreSpec) -> Iterator[Found]:
    for folder, folders, files in os.walk(base, followlinks=False):
        here = Path(folder)
        prefix = here.relative_to(base).as_posix()
        prefix = "" if prefix == "." else prefix + "/"
        folders[:] = [name for name in folders if not rules.match_file(f"{prefix}{name}/")]
        for name in files:
            relative, file = prefix + name, here / name
            if not rules.match_file(relative) and _is_material(file, base):
                yield Found(base, file, valid(relative))


def _is_material(file: Path, base: Path) -> bool:
    try:
        return file.is_file() and not (file.is_symlink() and not file.resolve().is_relative_to(base))
    except OSError:  # in a folder that may not be entered, on a disk that fails: what opens the file tells the reason
        return True


def assign_paths(
    found: Sequence[Found], known: Mapping[tuple[str, str], str], taken: Mapping[str, str]
) -> dict[Found, str]:
    """Give every file its own path in the library: relative to its root, the root's name before it where two clash.

    `known` maps (root, file) to the path a file already has; `taken` maps paths to the files that hold them.
    """
    paths: dict[Found, str] = {}
    held = {known[key]: key[1] for item in found if (key := (str(item.root), str(item.file))) in known}
    used = {**held, **taken}
    for item in found:
        file = str(item.file)
        path = known.get((str(item.root), file))
        if path is None or used[path] != file:
            path = item.relative
            number = 1
            while used.get(path, file) != file:
                name = _root_name(item) if number == 1 else f"{_root_name(item)}-{number}"
                path, number = f"{name}/{item.relative}", number + 1
        used[path] = file
        paths[item] = path
    return paths


def _root_name(item: Found) -> str:
    return item.root.parent.name if item.root == item.file else item.root.name


def sha256(file: Path, record: SourceRecord | None) -> tuple[str, os.stat_result]:
    """Return the hash and stat of a file; the recorded hash where size and modification time are as recorded."""
    stat = file.stat()
    if record and (record.size, record.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
        return record.sha256, stat
    return file_sha256(file), stat
