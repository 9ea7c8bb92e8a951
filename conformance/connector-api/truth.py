"""What the platform's own database has: the applications, and each finding under the id that
it has to have, computed anew."""

import hashlib
import json
import sqlite3

SEVERITIES = [1, 2, 2, 3, 4, 5]


def identity(application, context, key):
    return hashlib.sha256(f"{application}\0{context}\0{key}".encode()).hexdigest()[:20]


def state(status, resolution, decision):
    """As docs/reference/normalisation.md has it."""
    decided = decision == "APPROVED" or status == "CLOSED"
    if resolution == "MITIGATED" and decided:
        return "mitigated"
    if resolution == "POTENTIAL_FALSE_POSITIVE" and decided:
        return "false_positive"
    return "fixed" if status == "CLOSED" else "open"


class Truth:
    def __init__(self, database):
        self.applications, self.findings = set(), {}
        connection = sqlite3.connect(database)
        connection.row_factory = sqlite3.Row
        self.applications = {guid for (guid,) in connection.execute("select guid from applications")}
        rows = connection.execute(
            "select f.*, a.guid, s.guid as sandbox_guid from findings f"
            " join applications a on a.id = f.application left join sandboxes s on s.id = f.sandbox"
        )
        for row in rows:
            details = json.loads(row["details"], strict=False)
            context = f"sandbox:{row['sandbox_guid']}" if row["sandbox"] else "policy"
            key = f"flaw:{row['issue_id']}"
            if row["is_sca"]:
                key = f"sca:{row['scan_mode']}:{details['component_id']}:{row['cve']}"
            self.findings[identity(row["guid"], context, key)] = {
                "application": row["guid"],
                "type": row["scan_type"],
                "severity": SEVERITIES[row["severity"]],
                "state": state(row["status"], row["resolution"], row["resolution_status"]),
                "violates": bool(row["violates_policy"]),
                "first": row["first_found_ms"],
                "last": row["last_seen_ms"],
                "cwe": row["cwe"],
                "cve": row["cve"],
                "file": details.get("file_path"),
                "url": details.get("url"),
                "component": details.get("component_filename"),
                "cvss": details.get("cve", {}).get("cvss3", {}).get("score") or row["cvss"],
            }
