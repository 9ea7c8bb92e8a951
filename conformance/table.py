"""Client, capability, passed: the table in docs/explanation/fidelity.md, from a run's lines.

Fails when the document says something else than the run; UPDATE=1 writes it.
"""

import os
import re
import sys

BEGIN, END = "<!-- conformance: begin -->", "<!-- conformance: end -->"
DOCUMENT = "docs/explanation/fidelity.md"

rows = []
for line in open(sys.argv[1], encoding="utf-8"):
    found = re.match(r"(pass|fail|skip) ([\w-]+) ([^:\n]+)", line)
    if found:
        verdict, client, capability = found.groups()
        rows.append(f"| {client} | {capability.strip()} | {'yes' if verdict == 'pass' else 'NO'} |")
table = "\n".join([BEGIN, "| client | capability | passed |", "| --- | --- | --- |", *rows, END])
text = open(DOCUMENT, encoding="utf-8").read()
before, rest = text.split(BEGIN)
told = BEGIN + rest.split(END)[0] + END
if os.environ.get("UPDATE"):
    open(DOCUMENT, "w", encoding="utf-8").write(text.replace(told, table))
elif "| NO |" in table or any(line.startswith("skip") for line in open(sys.argv[1])):
    pass  # The run itself says what failed or was skipped.
elif told != table:
    sys.exit(f"the table in {DOCUMENT} is not what passed: run conformance/run with UPDATE=1")
