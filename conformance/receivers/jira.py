"""A double of Jira Cloud for tests, and a foreign client that judges it and what was written.

  jira.py double --port 0 --ready FILE [--schema FILE]   serves until it is ended
  jira.py judge --url URL [--user U --token T]           what PyPI's `jira` reads, as JSON
  jira.py journey --url URL                              PyPI's `jira` makes, moves, comments

Every text has to be valid by Atlassian's own schema of its document format, which npm brings
(@atlaskit/adf-schema). The double misbehaves when it is asked to, by POST /double with
  lag      searches that do not show an issue that was just made
  blind    whether searches show nothing at all
  lose     writes that are done and whose answer is lost
  required fields by id and name that every new issue needs
  missing  fields that are not on the create screen
No clock is read: what takes time at Jira is counted in requests here.
"""

import argparse
import base64
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

ADF = "@atlaskit/adf-schema@57.7.22"
ADF_FILE = "package/dist/json-schema/v1/full.json"
PROJECT = "APP"
ACCOUNTS = {  # By user and token.
    ("robot@example.com", "robot-token"): {"accountId": "acc-robot", "displayName": "Robot"},
    ("person@example.com", "person-token"): {"accountId": "acc-person", "displayName": "Person"},
}


def status(number, name, category):
    keys = {"new": (2, "To Do"), "indeterminate": (4, "In Progress"), "done": (3, "Done")}
    return {"id": str(number), "name": name, "statusCategory": {
        "id": keys[category][0], "key": category, "name": keys[category][1]}}


STATUSES = {one["name"]: one for one in (
    status(10000, "To Do", "new"), status(10001, "In Progress", "indeterminate"),
    status(10002, "Done", "done"), status(10003, "Won't Do", "done"))}
RESOLUTIONS = [{"id": "1", "name": "Done"}, {"id": "2", "name": "Won't Do"}, {"id": "3", "name": "Duplicate"}]
PRIORITIES = [{"id": str(5 - at), "name": name} for at, name in enumerate(["Lowest", "Low", "Medium", "High", "Highest"])]
# Ids differ by where an issue is, as they do at Jira.
WAYS = {
    "To Do": [("11", "Start", "In Progress"), ("12", "Refuse", "Won't Do"), ("13", "Finish", "Done")],
    "In Progress": [("21", "Stop", "To Do"), ("22", "Refuse", "Won't Do"), ("23", "Finish", "Done")],
    "Done": [("31", "Work again", "In Progress"), ("32", "Back", "To Do")],
    "Won't Do": [("41", "Back", "To Do")],
}
FIELDS = {
    "summary": "Summary", "issuetype": "Issue Type", "project": "Project", "description": "Description",
    "labels": "Labels", "priority": "Priority", "duedate": "Due date", "assignee": "Assignee",
    "reporter": "Reporter",
}


class Refused(Exception):
    def __init__(self, code, errors=None, messages=()):
        self.code, self.body = code, {"errorMessages": list(messages), "errors": errors or {}}


class Jira:
    def __init__(self, schema):
        import jsonschema

        self.schema = jsonschema.Draft4Validator(schema)
        self.lock = threading.Lock()
        self.issues, self.number, self.texts = {}, 10000, 0
        self.knobs = {"lag": 0, "blind": False, "lose": 0, "required": {}, "missing": []}

    def next(self):
        self.number += 1
        return str(self.number)

    def adf(self, field, document):
        if document is None:
            return None
        error = None
        if not isinstance(document, dict):
            raise Refused(400, {field: "Operation value must be an Atlassian Document"})
        for found in self.schema.iter_errors(document):
            error = found
            break
        if error is not None:
            raise Refused(400, {field: "INVALID_INPUT"}, [f"{list(error.path)}: {error.message[:300]}"])
        if len(json.dumps(document, ensure_ascii=False, separators=(",", ":"))) > 32767:
            raise Refused(400, {field: "CONTENT_LIMIT_EXCEEDED"})
        self.texts += 1
        return document

    def create(self, me, body):
        fields, errors = dict(body.get("fields", {})), {}
        if fields.get("project", {}).get("key", PROJECT) != PROJECT:
            errors["project"] = "valid project is required"
        for field in fields:
            if field not in FIELDS and field not in self.knobs["required"] or field in self.knobs["missing"]:
                errors[field] = f"Field '{field}' cannot be set. It is not on the appropriate screen, or unknown."
        for field, name in self.knobs["required"].items():
            if not fields.get(field):
                errors[field] = f"{name} is required."
        summary = fields.get("summary")
        if not summary or "\n" in summary or len(summary.encode("utf-16-le")) > 510:
            errors["summary"] = "Summary must be one line of at most 255 characters."
        if any(re.search(r"\s", label) or not 0 < len(label) <= 255 for label in fields.get("labels", [])):
            errors["labels"] = "The label contains spaces which is invalid."
        if fields.get("priority", {}).get("name", "Low") not in [one["name"] for one in PRIORITIES]:
            errors["priority"] = "Priority name is not valid"
        people = [account["accountId"] for account in ACCOUNTS.values()]
        if fields.get("assignee", {}).get("accountId", people[0]) not in people:
            errors["assignee"] = "User does not exist."
        if fields.get("duedate") and not re.fullmatch(r"\d{4}-\d\d-\d\d", fields["duedate"]):
            errors["duedate"] = "not a date"
        if errors:
            raise Refused(400, errors)
        self.adf("description", fields.get("description"))
        id = self.next()
        key = f"{PROJECT}-{len(self.issues) + 1}"
        self.issues[id] = {
            "id": id, "key": key, "hidden": self.knobs["lag"], "comments": [], "histories": [],
            "properties": {one["key"]: one["value"] for one in body.get("properties", [])},
            "fields": {**fields, "status": STATUSES["To Do"], "resolution": None, "creator": me, "reporter": me},
        }
        return 201, {"id": id, "key": key}

    def found(self, jql):
        if not re.search(rf'project\s*=\s*"?{PROJECT}"?', jql):
            raise Refused(400, messages=["The value of the field 'project' does not exist or you do not have permission."])
        wanted = re.findall(r'labels\s*=\s*"?([^"\s)]+)"?', jql)
        shown = []
        for issue in self.issues.values():
            issue["hidden"], is_hidden = max(issue["hidden"] - 1, 0), issue["hidden"] > 0
            labels = [label.lower() for label in issue["fields"].get("labels", [])]
            if not is_hidden and all(label.lower() in labels for label in wanted):
                shown.append(issue)
        return [] if self.knobs["blind"] else shown

    def shown(self, issue, expand=()):
        out = {name: issue[name] for name in ("id", "key", "fields")}
        out["self"] = f"/rest/api/3/issue/{issue['id']}"
        out["fields"] = {**issue["fields"], "comment": self.comments(issue)}
        if "changelog" in expand:
            last = issue["histories"][::-1][:100]
            out["changelog"] = {"startAt": 0, "maxResults": len(last), "total": len(issue["histories"]), "histories": last}
        return out

    def comments(self, issue, start=0, most=100, last_first=False):
        all = issue["comments"][::-1] if last_first else issue["comments"]
        return {"startAt": start, "maxResults": most, "total": len(all), "comments": all[start:start + most]}

    def transitions(self, issue):
        required = {"required": False, "name": "Resolution", "fieldId": "resolution", "allowedValues": RESOLUTIONS,
                    "operations": ["set"], "schema": {"type": "resolution", "system": "resolution"}}
        return [{"id": id, "name": name, "to": STATUSES[to],
                 "fields": {"resolution": required} if STATUSES[to]["statusCategory"]["key"] == "done" else {}}
                for id, name, to in WAYS[issue["fields"]["status"]["name"]]]

    def move(self, me, issue, body):
        id = body.get("transition", {}).get("id")
        way = next((way for way in self.transitions(issue) if way["id"] == id), None)
        if way is None:
            raise Refused(400, messages=[f"It seems that you have tried to perform a workflow operation ({id}) that is not valid for the current state of this issue."])
        for field in body.get("fields", {}):
            if field not in way["fields"]:
                raise Refused(400, {field: f"Field '{field}' cannot be set. It is not on the appropriate screen, or unknown."})
        wanted = body.get("fields", {}).get("resolution", {}).get("name")
        resolution = next((one for one in RESOLUTIONS if one["name"] == wanted), None)
        if wanted and resolution is None:
            raise Refused(400, {"resolution": "Resolution name is not valid"})
        before = issue["fields"]["status"]
        issue["fields"]["resolution"] = resolution
        issue["fields"]["status"] = way["to"]
        issue["histories"].append({"id": self.next(), "author": me, "items": [
            {"field": "status", "fieldId": "status", "from": before["id"], "fromString": before["name"],
             "to": way["to"]["id"], "toString": way["to"]["name"]}]})
        return 204, None

    def screen(self, query):
        names = {**FIELDS, **self.knobs["required"]}
        for field in self.knobs["missing"]:
            names.pop(field, None)
        rows = [{"fieldId": id, "key": id, "name": name, "hasDefaultValue": id == "priority",
                 "required": id in ("summary", "issuetype", "project", "reporter") or id in self.knobs["required"],
                 **({"allowedValues": PRIORITIES} if id == "priority" else {})} for id, name in names.items()]
        start = int(query.get("startAt", ["0"])[0])
        return {"startAt": start, "maxResults": 5, "total": len(rows), "fields": rows[start:start + 5]}

    def answer(self, me, method, path, query, body):
        get = lambda name, default: query.get(name, [default])[0]  # noqa: E731
        if path == "serverInfo":
            return 200, {"baseUrl": "https://jira.example.com", "version": "1001.0.0", "versionNumbers": [1001, 0, 0],
                         "deploymentType": "Cloud", "buildNumber": 1, "serverTitle": "Jira"}
        if me is None:
            # Whoever is not signed in sees no project and no issue.
            raise Refused(401 if path == "myself" else 404, messages=["Issue does not exist or you do not have permission to see it."])
        if path == "myself":
            return 200, me
        if path == "field":
            return 200, [{"id": id, "key": id, "name": name, "custom": False, "clauseNames": [id]} for id, name in FIELDS.items()]
        if path == f"project/{PROJECT}":
            return 200, {"id": "10000", "key": PROJECT, "name": "Application"}
        if path == "mypermissions":
            wanted = get("permissions", "").split(",")
            return 200, {"permissions": {key: {"key": key, "havePermission": key == "BROWSE_PROJECTS"} for key in wanted}}
        if path == f"issue/createmeta/{PROJECT}/issuetypes":
            return 200, {"startAt": 0, "maxResults": 50, "total": 2, "issueTypes": [
                {"id": "10010", "name": "Task", "subtask": False}, {"id": "10011", "name": "Bug", "subtask": False}]}
        if path == f"issue/createmeta/{PROJECT}/issuetypes/10011":
            return 200, self.screen(query)
        if path == "issue" and method == "POST":
            return self.create(me, body)
        if path == "search/jql":
            jql = body["jql"] if method == "POST" else get("jql", "")
            fields = body.get("fields") if method == "POST" else query.get("fields")
            rows = self.found(jql)
            return 200, {"isLast": True, "issues": [self.shown(row) if fields else {"id": row["id"]} for row in rows]}
        if path == "search":
            raise Refused(410, messages=["The requested API has been removed. Please migrate to the /rest/api/3/search/jql API."])
        found = re.fullmatch(r"issue/([^/]+)(?:/(.+))?", path)
        issue = found and next((one for one in self.issues.values() if found[1] in (one["id"], one["key"])), None)
        if not issue:
            raise Refused(404, messages=["Issue does not exist or you do not have permission to see it."])
        what = found[2]
        if what is None and method == "GET":
            return 200, self.shown(issue, get("expand", "").split(","))
        if what == "changelog":
            start = int(get("startAt", "0"))
            rows = issue["histories"][start:start + int(get("maxResults", "100"))]
            return 200, {"startAt": start, "maxResults": 100, "total": len(issue["histories"]), "values": rows}
        if what == "transitions":
            if method == "POST":
                return self.move(me, issue, body)
            return 200, {"transitions": self.transitions(issue)}
        if what == "comment":
            if method == "POST":
                comment = {"id": self.next(), "author": me, "body": self.adf("comment", body["body"]),
                           "properties": body.get("properties", [])}
                issue["comments"].append(comment)
                return 201, comment
            return 200, self.comments(issue, int(get("startAt", "0")), int(get("maxResults", "100")), get("orderBy", "") == "-created")
        if what == "properties":
            return 200, {"keys": [{"key": key} for key in issue["properties"]]}
        if what and what.startswith("properties/") and what[11:] in issue["properties"]:
            return 200, {"key": what[11:], "value": issue["properties"][what[11:]]}
        if what is None and method == "DELETE":
            del self.issues[issue["id"]]
            return 204, None
        raise Refused(404, messages=["null for uri"])


class Handler(BaseHTTPRequestHandler):
    server_version = "AtlassianEdge"

    def log_message(self, *_):
        pass

    def me(self):
        kind, _, value = self.headers.get("authorization", "").partition(" ")
        if kind != "Basic":
            return None
        user, _, token = base64.b64decode(value).decode().partition(":")
        return ACCOUNTS.get((user, token))

    def serve(self):
        jira, url = self.server.jira, urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        with jira.lock:
            code, body, is_lost = self.judged(jira, url, raw)
        if is_lost:
            self.close_connection = True
            return
        self.send_response(code)
        content = b"" if body is None else json.dumps(body).encode()
        self.send_header("content-type", "application/json;charset=UTF-8")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def judged(self, jira, url, raw):
        try:
            body = json.loads(raw) if raw else {}
            if url.path == "/double":
                jira.knobs.update(body)
                return 200, {"issues": len(jira.issues), "texts": jira.texts,
                             "comments": sum(len(one["comments"]) for one in jira.issues.values())}, False
            found = re.fullmatch(r"/rest/api/(?:2|3|latest)/(.+)", url.path)
            if not found:
                raise Refused(404, messages=["null for uri"])
            code, body = jira.answer(self.me(), self.command, found[1], parse_qs(url.query), body)
        except Refused as refused:
            return refused.code, refused.body, False
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return 400, {"errorMessages": [f"{type(error).__name__}: {error}"], "errors": {}}, False
        is_write = self.command != "GET" and not found[1].startswith("search")
        is_lost = is_write and jira.knobs["lose"] > 0
        jira.knobs["lose"] -= is_lost
        return code, body, is_lost

    do_GET = do_POST = do_PUT = do_DELETE = serve


def schema(path):
    if path:
        return json.load(open(path, encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", ADF], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        packed = [name for name in os.listdir(folder) if name.endswith(".tgz")][0]
        with tarfile.open(os.path.join(folder, packed)) as archive:
            return json.load(archive.extractfile(ADF_FILE))


def double(args):
    server = ThreadingHTTPServer(("127.0.0.1", args.port), Handler)
    server.jira = Jira(schema(args.schema))
    said = {"url": f"http://127.0.0.1:{server.server_port}", "project": PROJECT}
    for name, (user, token) in zip(("robot", "person"), ACCOUNTS):
        said[name] = {"user": user, "token": token}
    with open(args.ready + ".new", "w", encoding="utf-8") as file:
        json.dump(said, file)
    os.rename(args.ready + ".new", args.ready)
    server.serve_forever()


def client(args):
    # This file has the name of the package: its folder is not looked in.
    sys.path[:] = [folder for folder in sys.path if folder and os.path.abspath(folder) != os.path.dirname(os.path.abspath(__file__))]
    from jira import JIRA

    return JIRA(server=args.url, basic_auth=(args.user, args.token), max_retries=0, options={"rest_api_version": "3"})


def words(node):
    """All text of an ADF document."""
    if isinstance(node, dict):
        return node.get("text", "") + "".join(words(child) for child in node.get("content", []))
    return str(node or "")


def read(jira):
    for issue in jira.enhanced_search_issues(f'project = "{PROJECT}"', fields="*all", maxResults=False):
        issue = jira.issue(issue.id, expand="changelog")
        fields = issue.fields
        keys = [one.key for one in jira.issue_properties(issue.id)]
        yield {
            "id": issue.id, "key": issue.key, "summary": fields.summary, "status": fields.status.name,
            "resolution": fields.resolution.name if fields.resolution else None, "labels": fields.labels,
            "priority": fields.priority.name if getattr(fields, "priority", None) else None,
            "description": words(issue.raw["fields"].get("description")),
            "comments": [{"author": comment.author.displayName, "text": words(comment.raw["body"])}
                         for comment in jira.comments(issue.id)],
            "properties": keys,
            "moves": [[history.author.displayName, item.fromString, item.toString]
                      for history in issue.changelog.histories[::-1] for item in history.items],
        }


def judge(args):
    json.dump(list(read(client(args))), sys.stdout, indent=1)
    print()


def journey(args):
    """A client that is not ours gets along with the double from end to end."""
    jira = client(args)
    text = lambda said: {"version": 1, "type": "doc", "content": [{"type": "paragraph", "content": [{"type": "text", "text": said}]}]}  # noqa: E731
    assert jira.myself()["accountId"] == "acc-robot" and jira.deploymentType == "Cloud"
    made = jira.create_issue(project={"key": PROJECT}, issuetype={"name": "Bug"}, summary="foreign", description=text("x"), labels=["journey"])
    found = jira.enhanced_search_issues(f'project = "{PROJECT}" AND labels = "journey"', fields="*all")
    assert [one.id for one in found] == [made.id], found
    assert {way["name"] for way in jira.transitions(made)} == {"Start", "Refuse", "Finish"}
    jira.transition_issue(made.id, "Finish", fields={"resolution": {"name": "Done"}})
    jira.add_comment(made.id, text("done"))
    issue = jira.issue(made.id, expand="changelog")
    assert issue.fields.status.statusCategory.key == "done" and issue.fields.resolution.name == "Done"
    assert issue.changelog.histories[0].author.accountId == "acc-robot"
    from jira import JIRAError
    for wrong in ({"summary": "x" * 256}, {"labels": ["a b"]}, {"description": {"version": 1, "type": "doc", "content": [{"type": "paragraph", "content": [{"type": "text", "text": ""}]}]}}):
        try:
            jira.create_issue(fields={"project": {"key": PROJECT}, "issuetype": {"name": "Bug"}, "summary": "s", **wrong})
        except JIRAError as error:
            assert error.status_code == 400, error
        else:
            sys.exit(f"the double takes {wrong}")
    made.delete()
    print("journey: passed")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    serve = commands.add_parser("double")
    serve.add_argument("--port", type=int, default=0)
    serve.add_argument("--ready", required=True)
    serve.add_argument("--schema")
    serve.set_defaults(run=double)
    for name, run in (("judge", judge), ("journey", journey)):
        command = commands.add_parser(name)
        command.add_argument("--url", required=True)
        command.add_argument("--user", default="robot@example.com")
        command.add_argument("--token", default="robot-token")
        command.set_defaults(run=run)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
