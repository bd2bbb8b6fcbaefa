"""The areas of a root: a `topics.yaml` at its top gives their titles and their order in the topic tree."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

FILE_NAME = "topics.yaml"


def area_titles(roots: Iterable[Path]) -> dict[str, str]:
    """Return titles by area id, in order, from the roots that have a readable topics.yaml; others have none."""
    titles: dict[str, str] = {}
    for root in roots:
        try:
            data = yaml.load((root / FILE_NAME).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
            titles.update((str(area["id"]), str(area["title"])) for area in data["areas"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError, yaml.YAMLError):
            continue  # the tree then takes the names of the folders
    return titles
