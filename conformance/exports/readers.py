"""Reader by reader, what of the demo tenant arrives: the table in docs/reference/formats.md, from a
run's lines.

Fails when the document says something else than the run; UPDATE=1 writes it.
"""

import os
import sys

BEGIN, END = "<!-- readers: begin -->", "<!-- readers: end -->"
DOCUMENT = "docs/reference/formats.md"
HEAD = [
    "| reader | file | findings | open | severities | differences |",
    "| --- | --- | --- | --- | --- | --- |",
]

with open(sys.argv[1], encoding="utf-8") as lines:
    rows = sorted(line.strip().removeprefix("reads ") for line in lines if line.startswith("reads | "))
if not rows:
    sys.exit("no reader read anything")
table = "\n".join([BEGIN, *HEAD, *rows, END])
with open(DOCUMENT, encoding="utf-8") as document:
    text = document.read()
before, rest = text.split(BEGIN)
told = BEGIN + rest.split(END)[0] + END
if os.environ.get("UPDATE"):
    with open(DOCUMENT, "w", encoding="utf-8") as document:
        document.write(text.replace(told, table))
elif told != table:
    sys.exit(f"the table in {DOCUMENT} is not what readers read: run ./test --only exports with UPDATE=1")
