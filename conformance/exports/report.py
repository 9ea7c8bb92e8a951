"""What every check needs: the findings to answer for, and its lines."""

import collections
import json
import pathlib
import shutil
import sys
import tempfile
import traceback

NAME = pathlib.Path(sys.argv[0]).stem.removeprefix("check_")
FOLDER = pathlib.Path(sys.argv[1])
_failed = 0


def lines(file):
    """The JSON objects of a file that has one a line."""
    with open(FOLDER / file, encoding="utf-8", newline="\n") as text:
        return [json.loads(line) for line in text]


def findings():
    """By id and integration: the findings that a format has to answer for."""
    found = {}
    for finding in lines("findings.ndjson"):
        key = finding["integration"], finding["id"]
        assert key not in found, f"{key} is there twice"
        found[key] = finding
    return found


def check(what, act):
    """Calls `act`, which returns problems or raises, and says how it went."""
    global _failed
    try:
        problems = list(act() or [])
    except Exception:
        problems = [traceback.format_exc().strip()]
    where = f"{what} ({FOLDER.name})"
    if not problems:
        print(f"pass {NAME} {where}")
        return
    _failed += 1
    for problem in problems[:10]:
        print(f"fail {NAME} {where}: {problem}")
    if len(problems) > 10:
        print(f"fail {NAME} {where}: and {len(problems) - 10} more")


# The words of readers for severities 0 to 5.
WORDS = ["Info", "Low", "Low", "Medium", "High", "Critical"]
LEVELS = ["note", "note", "note", "warning", "error", "error"]


def reads(reader, format, pattern, read, expected, spoils, words=WORDS):
    """Holds what a reader makes of a format to the findings that it has to answer for.

    `read` gets the files that `pattern` names and gives a finding's id, the reader's word
    for its severity, and whether it takes it for open; `None` where a reader does not know.
    Each of `spoils` breaks the first file in a way that must make a difference.
    """

    def differences(found):
        knows = [any(one[at] is not None for one in found) for at in range(3)]
        mask = lambda one: tuple(part if known else None for part, known in zip(one, knows))
        truth = [(f["id"], words[f["severity"]], f["state"] == "open" and not f["gone"]) for f in expected]
        held, wanted = (collections.Counter(map(mask, all)) for all in (found, truth))
        return [f"not in the store: {one}" for one in (held - wanted).elements()] + [
            f"not read: {one}" for one in (wanted - held).elements()
        ]

    def act():
        files = sorted(FOLDER.glob(pattern))
        found = list(read(files))
        problems = differences(found)
        yield from problems
        for spoil in spoils:
            with tempfile.TemporaryDirectory() as folder:
                copies = [pathlib.Path(shutil.copy(file, folder)) for file in files]
                spoil(copies[0])
                try:
                    unnoticed = not differences(list(read(copies)))
                except Exception:
                    unnoticed = False
                if unnoticed:
                    yield f"a broken file makes no difference: {spoil.__name__}"
        if (FOLDER / "platform.json").exists():
            counts = collections.Counter(word for _, word, _ in found)
            severities = ", ".join(f"{counts[word]:,} {word}" for word in dict.fromkeys(reversed(words)))
            states = [is_open for _, _, is_open in found]
            is_open = f"{sum(states):,}" if None not in states else "–"
            row = [reader, format, f"{len(found):,}", is_open, severities, f"{len(problems):,}"]
            print(f"reads | {' | '.join(row)} |")

    check(f"{reader} reads {format}", act)


def in_json(name, change):
    """A spoil: `change` gets the document of a file."""

    def spoil(file):
        document = json.loads(file.read_text())
        change(document)
        file.write_text(json.dumps(document))

    spoil.__name__ = name
    return spoil


def end():
    """Exit code 1 when anything failed."""
    sys.exit(bool(_failed))
