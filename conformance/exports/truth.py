"""What the platform's own database counts, as one JSON object."""

import json
import sqlite3
import sys

database = sqlite3.connect(sys.argv[1])
rows = database.execute(
    "select a.guid, f.scan_type, count(*) from findings f"
    " join applications a on a.id = f.application group by 1, 2"
)
counts = {}
for application, scan_type, count in rows:
    counts.setdefault(application, {})[scan_type] = count
applications = [guid for (guid,) in database.execute("select guid from applications order by 1")]
json.dump({"applications": applications, "findings": counts}, sys.stdout)
