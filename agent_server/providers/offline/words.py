"""What the words of a matched sentence mean: paths, attached files, places to search, texts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent_server.providers.offline.quotes import MASK, Masked

_THIS = r"(?:this|that|the|my)(?: attached)? (?:file|document|attachment)|it|this|that"
_HERE = (
    r"(?:this|the|my|our)(?: current| working| whole| entire| root)*"
    r" (?:directory|dir|folder|project|repo|repository|workspace|root|codebase|code)"
    r"|here|the current one|\."
)
_EVERY = r"(?:(?:all|every|each|any)(?: of)?(?: the| my| our)? files?|everywhere|every file here)"


def path(name: str = "path") -> str:
    """Return the pattern of one path, or of what may stand for it."""
    nouns = r"(?:the |my )?(?:file |files |folder |directory |dir )?(?:named |called )?"
    return rf"(?P<{name}>{_THIS}|{_HERE}|{nouns}\S+(?: file| folder| directory| dir)?)"


class UnclearError(Exception):
    """The sentence is understood, but it leaves open what it is about; the text says so."""


class Words:
    """The named pieces of a match, with their quotes resolved."""

    __slots__ = ("_attached", "_masked", "_match")

    def __init__(self, match: re.Match[str], masked: Masked, attached: Sequence[str]) -> None:
        self._match = match
        self._masked = masked
        self._attached = attached

    def raw(self, name: str) -> str:
        """Return the piece with its quotes still masked; nothing if it is not in the sentence."""
        return (self._match.groupdict().get(name) or "").strip()

    def has(self, name: str) -> bool:
        """Return whether the piece is in the sentence."""
        return bool(self.raw(name))

    def text(self, name: str) -> str:
        """Return the piece as the user means it, without quotes around the whole of it."""
        return self._masked.value(self.raw(name))

    def number(self, name: str) -> int | None:
        """Return the piece as a number."""
        return int(self.raw(name)) if self.has(name) else None

    def path(self, name: str = "path") -> str:
        """Return the path that the piece names.

        Raises:
            UnclearError: it means an attached file, and there is not exactly one.
        """
        return self._path(self.raw(name))

    def directory(self, name: str = "path") -> str:
        """Return the path that the piece names; nothing for the working directory."""
        raw = self.raw(name)
        return "" if not raw or re.fullmatch(_HERE, raw, re.IGNORECASE) else self._path(raw)

    def paths(self, name: str) -> list[str]:
        """Return the paths of an enumeration (``a.txt, b.txt and c.txt``).

        Raises:
            UnclearError: as `path`.
        """
        return [self._path(piece) for piece in re.split(r",\s*(?:and )?|\s+and\s+", self.raw(name)) if piece]

    def is_pathlike(self, name: str = "path") -> bool:
        """Return whether the piece looks like the path of something that exists rather than an English word."""
        raw = self.raw(name)
        if re.fullmatch(_THIS, raw, re.IGNORECASE) or re.search(r"\b(?:file|folder|directory|dir)\b", raw):
            return True
        return bool(re.search(rf"[./\\~_\d]|{MASK}|\b[A-Z]", raw))

    def is_new_path(self, name: str = "path") -> bool:
        """Return whether the piece is surely a path though nothing like it need exist yet."""
        return self.has("noun") or bool(re.search(rf"[./\\]|{MASK}", self.raw(name)))

    def place(self, name: str = "where") -> dict[str, str]:
        """Return where to search, as the arguments ``path`` and ``glob``: both, one or neither.

        Raises:
            UnclearError: as `path`.
        """
        raw = re.sub(rf"^{_EVERY}(?: (?:in|under|of))?\s*", "", self.raw(name), flags=re.IGNORECASE)
        if not raw or re.fullmatch(_HERE, raw, re.IGNORECASE):
            return {}
        both = re.fullmatch(r"((?:all )?\S+(?: files?)?) (?:in|under|inside) (.+)", raw, re.IGNORECASE)
        if both and (glob := self._glob(both[1])):
            inside = "" if re.fullmatch(_HERE, both[2], re.IGNORECASE) else self._path(both[2])
            return {"glob": glob, **({"path": inside} if inside else {})}
        glob = self._glob(raw)
        return {"glob": glob} if glob else {"path": self._path(raw)}

    def is_many(self, name: str = "where") -> bool:
        """Return whether the piece means files that must be searched for."""
        raw = self.raw(name)
        every = re.match(rf"{_EVERY}\b", raw, re.IGNORECASE) or re.fullmatch(_HERE, raw, re.IGNORECASE)
        directory = re.search(r"(?:[/\\]| (?:directory|folder|dir))$", self._masked.value(raw), re.IGNORECASE)
        return bool(every or directory or self._glob(re.split(" (?:in|under|inside) ", raw)[0]))

    def _glob(self, raw: str) -> str:
        plain = re.sub(r"^(?:(?:all|every|each|any)(?: of)? )?(?:the )?|\s+files?$", "", raw, flags=re.IGNORECASE)
        if re.search(r"\s", plain):
            return ""
        value = self._masked.value(plain)
        if plain != raw and (suffix := SUFFIXES.get(plain.lower())):
            return f"*.{suffix}"
        return value if re.search(r"[*?]|\[.+\]", value) else ""

    def _path(self, raw: str) -> str:
        if re.fullmatch(_THIS, raw, re.IGNORECASE):
            return self._attachment()
        named = r"(?:the |my )?(?:(?:file|files|folder|directory|dir) )?(?:(?:named|called) )?(\S+)"
        match = re.fullmatch(rf"{named}(?: file| folder| directory| dir)?", raw, re.IGNORECASE)
        if match is None:
            raise UnclearError("It is not clear which file is meant; a path with blanks needs quotes.")
        piece = match[1]
        if re.fullmatch(MASK, piece):
            return self._masked.value(piece)
        # Editors write mentions as @path.
        return self._masked.value(piece.rstrip(",;:")).removeprefix("@")

    def _attachment(self) -> str:
        if len(self._attached) == 1:
            return self._attached[0]
        if not self._attached:
            raise UnclearError("No file is attached to the prompt; name one by its path.")
        raise UnclearError(f"{len(self._attached)} files are attached to the prompt; name one by its path.")


SUFFIXES = {
    "python": "py",
    "javascript": "js",
    "typescript": "ts",
    "rust": "rs",
    "go": "go",
    "java": "java",
    "c": "c",
    "ruby": "rb",
    "markdown": "md",
    "text": "txt",
    "json": "json",
    "toml": "toml",
    "yaml": "yaml",
    "html": "html",
    "css": "css",
}
"""What people call a kind of file, and the suffix it has."""
