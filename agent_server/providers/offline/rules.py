"""The rules of plain sentences: first word, pattern of the rest, work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from agent_server.providers.offline import edits, files
from agent_server.providers.offline.menu import help_text
from agent_server.providers.offline.quotes import MASK
from agent_server.providers.offline.steps import Flow, Step
from agent_server.providers.offline.words import SUFFIXES, Words, path

Build: TypeAlias = Callable[[Words], Flow | Step | None]
Rule: TypeAlias = tuple[str, Build]

_PATH = path()
_KIND = rf"(?P<kind>{'|'.join(SUFFIXES)})"
_SYMBOL = r"(?:function|class|method|variable|constant|symbol|word|text|string|name|module)"
_NAME = rf"(?:(?:the|a|an) )?(?:{_SYMBOL} )?(?P<name>{MASK}|\S+)"
_WHERE = r"(?P<where>.+?)"
_IN = r"(?:in|inside|within|under|across)"
_OF = r"(?:in|inside|within|under|of)"
_IN_PLACE = rf"(?: {_IN} {_WHERE})?"
_QUOTED = rf"(?P<text>{MASK})"
_FIND_VERBS = r"(?:uses?|using|calls?|mentions?|contains?|containing|holds?|imports?|references?|has|have|with)"


def _replace(words: Words) -> Flow | Step | None:
    old, new = words.text("old"), words.text("new")
    if not words.has("where") or words.is_many():
        return edits.replace_everywhere(old, new, **words.place())
    return edits.change([edits.edit(each, old, new, every=True) for each in words.paths("where")])


def _remove_text(words: Words) -> Flow:
    return edits.change([edits.edit(words.path(), words.text("text"), "", every=True)])


def _delete(words: Words) -> Flow | None:
    paths = words.paths("paths")
    certain = words.is_pathlike("paths") and not any(set(each) & set("*?") for each in paths)
    return edits.change([edits.deletion(each) for each in paths]) if certain else None


def _move(words: Words) -> Flow:
    target = words.path("target")
    into = words.raw("preposition").lower() == "into" and not target.endswith("/")
    return files.move_file(words.path("source"), f"{target}/" if into else target)


def _rename(words: Words) -> Flow:
    source, target = words.path("source"), words.path("target")
    # A new name alone means the same directory.
    directory = source.rpartition("/")[0] if "/" not in target else ""
    return files.move_file(source, f"{directory}/{target}" if directory else target)


def _overwrite(words: Words) -> Flow | None:
    return files.write_file(words.path(), words.text("text")) if words.is_pathlike() else None


def _create(words: Words) -> Flow | None:
    return files.write_file(words.path(), words.text("text")) if words.is_new_path() else None


def _create_lines(words: Words) -> Flow | None:
    text = words.text("text").rstrip("\n") + "\n"
    return files.write_file(words.path(), text) if words.is_new_path() else None


def _create_empty(words: Words) -> Flow | None:
    return files.create_empty(words.path()) if words.is_new_path() else None


def _append(words: Words) -> Flow:
    return edits.append(words.path(), words.text("text"))


def _read(words: Words) -> Flow | None:
    here = not words.directory()
    if here or words.raw("path").endswith(("/", " folder", " directory", " dir")):
        return files.list_directory(words.directory())
    return files.read_file(words.path()) if words.is_pathlike() else None


def _read_lines(words: Words) -> Flow | Step:
    first, last = words.number("first") or 1, words.number("last")
    if not words.has("last"):
        last = first
    if last is not None and last < first:
        return Step("The last line comes before the first.")
    return files.read_file(words.path(), first, last)


def _read_start(words: Words) -> Flow:
    return files.read_file(words.path(), 1, max(words.number("last") or 1, 1))


def _list(words: Words) -> Flow:
    return files.list_directory(words.directory())


def _look_at(words: Words) -> Flow:
    here = not words.directory()
    return files.list_directory() if here else files.look_at(words.path())


def _find(words: Words) -> Flow:
    glob = f"*.{SUFFIXES[words.raw('kind').lower()]}" if words.has("kind") else words.text("glob")
    return files.find(glob, words.directory("path"))


def _search_for(regex: str, words: Words) -> Flow:
    place = words.place()
    path, glob = place.get("path", ""), place.get("glob", "")
    return files.search(regex, path=path, glob=glob, ignore_case=words.has("nocase"))


def _search(words: Words) -> Flow:
    return _search_for(edits.escaped(words.text("text")), words)


def _find_or_search(words: Words) -> Flow:
    text = words.text("text")
    if set(text) & set("*?") and " " not in text:
        return files.find(text, words.directory("where"))
    return _search(words)


def _grep(words: Words) -> Flow:
    return _search_for(words.text("text"), words)


def _uses(words: Words) -> Flow:
    return _search_for(_whole_word(words.text("name")), words)


def _definition(words: Words) -> Flow:
    keywords = "def|class|function|func|fn|struct|enum|trait|interface|type|const|let|var|module"
    return files.search(rf"\b({keywords})\s+{_whole_word(words.text('name'))}")


def _where_is(words: Words) -> Flow:
    name = words.text("name")
    return files.find(name) if words.has("noun") or set(name) & set("./*") else _uses(words)


def _whole_word(name: str) -> str:
    name = name.removesuffix("()")
    return rf"\b{name}\b" if name.isidentifier() else edits.escaped(name)


def _run(words: Words) -> Flow:
    return files.run_command(words.text("command"))


_TESTS = r"(?:all )?(?:of )?(?:(?:the|my|our|these|this project's) )?(?:unit )?(?:tests?(?: suite)?|specs|testsuite)"
_LINES = r"lines? (?P<first>\d+)(?: ?(?:to|-|\u2013|through|until|and|\.\.) ?(?P<last>\d+))?"
_CASE = r"(?P<nocase>,? (?:ignoring case|ignoring the case|regardless of case|case[- ]insensitive(?:ly)?))?"
_DIRECTORY_WORDS = r"(?:(?:all of the|all the|all|the) )?(?:files|contents?|directory|folder|entries|everything)"

_TEST_RULES: tuple[Rule, ...] = ((rf"{_TESTS}(?: here| again| now)?", lambda words: files.run_tests()),)
_FIND_KIND = rf"(?:me )?(?:all )?(?:the |my )?{_KIND} files(?: {_IN} {_PATH})?"
_FIND_GLOB = (
    r"(?:me )?(?:all |every )?(?:the )?(?:files? )?(?P<glob>[^\s\ue000]*[*?]\S*|[^\s\ue000]*\w\.\w+)"
    rf"(?: files?)?(?: {_IN} {_PATH})?"
)
_FIND_CALLED = (
    r"(?:me )?(?:all )?(?:the |a )?(?:files? )?(?:that )?(?:matching |match |named |called |like )(?P<glob>\S+)"
    rf"(?: {_IN} {_PATH})?"
)
_LIST_RULES: tuple[Rule, ...] = (
    (_FIND_KIND, _find),
    (_FIND_GLOB, _find),
    (rf"(?:me )?(?:{_DIRECTORY_WORDS}(?: {_OF} {_PATH})?)?", _list),
    (rf"(?:{_OF} )?{_PATH}", _list),
)
_REFERENCE_RULES: tuple[Rule, ...] = (
    (rf"(?:me )?(?:all )?(?:the )?(?:usages?|uses|references|callers) (?:of|to) {_NAME}{_IN_PLACE}", _uses),
    (rf"(?:me )?(?:the )?definitions? of {_NAME}", _definition),
)
_FIND_RULES: tuple[Rule, ...] = (
    *_REFERENCE_RULES,
    (_FIND_KIND, _find),
    (_FIND_CALLED, _find),
    (_FIND_GLOB, _find),
    (rf"(?:me )?(?:all )?(?:the )?files? (?:that )?{_FIND_VERBS} (?P<text>{MASK}|\S+){_IN_PLACE}", _search),
    (rf"(?:all )?(?:the )?(?:occurrences?|mentions?|instances?) of (?P<text>{MASK}|\S+){_IN_PLACE}{_CASE}", _search),
    (rf"(?:all )?(?P<text>{MASK}|\S+){_IN_PLACE}{_CASE}", _find_or_search),
)
_SEARCH_RULES: tuple[Rule, ...] = (
    (rf"(?:in |through )?{_WHERE} for (?P<text>{MASK}|\S+){_CASE}", _search),
    (rf"(?:for )?(?P<text>{MASK}|.+?){_IN_PLACE}{_CASE}", _search),
)
_READ_RULES: tuple[Rule, ...] = (
    *_REFERENCE_RULES,
    (rf"(?:me )?(?:the )?{_LINES} (?:of|in|from) {_PATH}", _read_lines),
    (rf"(?:me )?{_PATH},?(?: from)? {_LINES}", _read_lines),
    (r"(?:me )?(?P<path>\S+):(?P<first>\d+)(?:-(?P<last>\d+))?", _read_lines),
    (rf"(?:me )?(?:the )?first (?P<last>\d+) lines (?:of|in|from) {_PATH}", _read_start),
    (_FIND_KIND, _find),
    (rf"(?:me )?{_DIRECTORY_WORDS} {_OF} {_PATH}", _look_at),
    (r"(?:me )?(?:all )?(?:the |my )?files", _list),
    (rf"(?:me )?(?:what (?:is|'s) in |(?:the )?(?:text|source|code) of )?{_PATH}", _read),
)
_WHAT_RULES: tuple[Rule, ...] = (
    (rf"(?:(?:is|are|'s|s) )?(?:there )?(?:in|inside) {_PATH}", _look_at),
    (rf"(?:does|do) {_PATH} (?:contain|hold|say|look like)", _look_at),
    (rf"files (?:are|exist|do we have|do i have)(?: there)?(?: {_OF} {_PATH})?", _list),
    (r"(?:can|do) you (?:do|understand|know)|commands .*", lambda words: Step(help_text())),
    (rf"(?:files?|code) (?:that )?{_FIND_VERBS} {_NAME}{_IN_PLACE}", _uses),
    (rf"(?:uses|calls|imports|references|mentions) {_NAME}{_IN_PLACE}", _uses),
)
_WHERE_RULES: tuple[Rule, ...] = (
    (rf"(?:is|are|'s|s) {_NAME} (?:defined|declared|implemented)", _definition),
    (rf"(?:is|are|'s|s) {_NAME}(?: being)? (?:used|called|referenced|mentioned|imported){_IN_PLACE}", _uses),
    (rf"(?:do|does) (?:we|i|it|they|this project|the code) (?:use|call|mention|import|reference) {_NAME}", _uses),
    (rf"(?:do|does) (?:we|i|it|they|this project|the code) (?:define|declare|implement) {_NAME}", _definition),
    (rf"{_NAME} is (?:defined|declared|implemented)", _definition),
    (rf"{_NAME} is (?:used|called|referenced|mentioned|imported){_IN_PLACE}", _uses),
    (rf"(?:is|are|'s|s) (?P<noun>the file )?{_NAME}", _where_is),
)
_WRITE_RULES: tuple[Rule, ...] = ((rf"{_QUOTED} (?:to|into|in) {_PATH}", _overwrite),)
_NEW = r"(?:(?:a|an|the) )?(?:(?:new|empty|text) )*(?P<noun>file )?(?:named |called )?(?P<path>\S+?)"
_WITH = r"(?:,? (?:with|containing|that says|saying|that contains|which says|which contains|and write|holding))"
_WITH_NOUN = r"(?: (?:the|this|as))?(?: (?:text|contents?|line|words?))?"
_CREATE_RULES: tuple[Rule, ...] = (
    (rf"{_NEW}{_WITH}{_WITH_NOUN}:?\s+{_QUOTED}(?: in it| inside)?", _create),
    (rf"{_NEW}{_WITH}{_WITH_NOUN}:\s*\n(?P<text>.+)", _create_lines),
    (rf"{_NEW}{_WITH} (?:(?:the|this) )?(?:text|contents?|line|words?):? (?P<text>.+)", _create),
    (_NEW, _create_empty),
)
_MAKE_RULES: tuple[Rule, ...] = tuple((rf"(?=an? (?:\w+ )*file\b){pattern}", build) for pattern, build in _CREATE_RULES)
_APPEND_END = rf"(?:to|at|into)(?: the)?(?: (?:end|bottom) of)? {_PATH}"
_ADD_RULES: tuple[Rule, ...] = (
    (rf"(?:(?:the|a|this) )?(?:line |text )?{_QUOTED} {_APPEND_END}", _append),
    *((rf"(?=(?:a |an )?(?:new |empty )*file\b){pattern}", build) for pattern, build in _CREATE_RULES),
)
_APPEND_RULES: tuple[Rule, ...] = (
    (rf"(?:(?:the|a|this) )?(?:line |text )?(?P<text>{MASK}|.+?) {_APPEND_END}", _append),
)
_OLD, _NEW_TEXT = rf"(?P<old>{MASK}|.+?)", rf"(?P<new>{MASK}|.+?)"
_ALL_OF = (
    r"(?:(?:all|every|each)(?: of)?(?: the)? )?(?:(?:occurrences?|instances?|mentions?) of )?(?:the (?:text|word) )?"
)
_REPLACE_RULES: tuple[Rule, ...] = (
    (rf"{_ALL_OF}{_OLD} (?:with|by) {_NEW_TEXT} everywhere", _replace),
    (rf"{_ALL_OF}{_OLD} (?:with|by) {_NEW_TEXT} {_IN} {_WHERE}", _replace),
    (rf"{_ALL_OF}{_OLD} {_IN} {_WHERE} (?:with|by) {_NEW_TEXT}", _replace),
)
_CHANGE_RULES: tuple[Rule, ...] = tuple(
    (pattern.replace("(?:with|by)", "(?:to|into)"), build) for pattern, build in _REPLACE_RULES
)
_REMOVE_RULES: tuple[Rule, ...] = (
    (rf"{_ALL_OF}{_QUOTED} (?:from|in) {_PATH}", _remove_text),
    (r"(?P<paths>.+)", _delete),
)
_MOVE_RULES: tuple[Rule, ...] = ((rf"{path('source')} (?P<preposition>to|as|into|->|→) {path('target')}", _move),)
_RENAME_RULES: tuple[Rule, ...] = tuple((pattern, _rename) for pattern, _ in _MOVE_RULES)
_NO_PROGRAM = r"(?:the|a|an|my|our|this|that|it|all|some|every|through|away|over|into|out)"
_RUN_RULES: tuple[Rule, ...] = (
    *_TEST_RULES,
    (rf"(?:(?:the )?(?:shell )?command:? )?(?P<command>{MASK}|(?!{_NO_PROGRAM}\b).+)", _run),
)

RULES: dict[str, tuple[Rule, ...]] = {
    **dict.fromkeys(("replace", "substitute"), _REPLACE_RULES),
    "change": _CHANGE_RULES,
    **dict.fromkeys(("delete", "remove", "erase"), _REMOVE_RULES),
    "move": _MOVE_RULES,
    "rename": _RENAME_RULES,
    "create": _CREATE_RULES,
    "make": _MAKE_RULES,
    **dict.fromkeys(("write", "save", "put"), _WRITE_RULES),
    "append": _APPEND_RULES,
    "add": _ADD_RULES,
    **dict.fromkeys(("read", "show", "open", "display", "print", "view", "cat", "give"), _READ_RULES),
    **dict.fromkeys(("list", "ls"), _LIST_RULES),
    **dict.fromkeys(("what", "whats", "which", "who"), _WHAT_RULES),
    "where": _WHERE_RULES,
    **dict.fromkeys(("find", "locate"), _FIND_RULES),
    "search": _SEARCH_RULES,
    "look": (
        *((pattern.replace("(?:for )?", "for "), build) for pattern, build in _SEARCH_RULES),
        (rf"(?:at|into|in|inside) {_PATH}", _look_at),
    ),
    "grep": ((rf"(?:for )?(?P<text>{MASK}|[^\s-]\S*)(?: (?:in )?{_WHERE})?{_CASE}", _grep),),
    **dict.fromkeys(("run", "execute"), _RUN_RULES),
    "test": ((r"it|everything|(?:this|the|my) (?:project|code|repo)", lambda words: files.run_tests()),),
    "do": ((rf"{_TESTS} (?:pass|work|succeed)", lambda words: files.run_tests()),),
    "help": ((r"|me", lambda words: Step(help_text())),),
}
"""The rules to try for each first word, in their order."""
