"""A double of GitHub, and a foreign client that says what is there.

    github.py double --port 0 --ready FILE
    github.py judge --url URL [--repository OWNER/NAME] [--expected FILE]
    github.py journey

The double holds issues, comments and SARIF uploads. Every request and every answer of it is
checked against the OpenAPI that GitHub publishes: what does not fit is in `violations`, and a
request that does not fit is answered 422, or 404. `journey` runs PyGithub through the double,
which shows that the double answers as GitHub does to a program that is not ours, and then what
has to be refused. `judge` lets PyGithub read everything and prints it as JSON; or, with a file of
what is expected, says what is otherwise.

The token `token-LOGIN` is that of LOGIN. A test looks behind the scenes and makes things go
wrong at `/_double`: GET shows what happened, POST sets members of `Switches`.

The descriptions come from npm, below `.tools`: they are GitHub's, and not in this repository.
"""

import argparse
import base64
import copy
import gzip
import hashlib
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import threading
import time
import urllib.parse

import jsonschema

HERE = pathlib.Path(__file__).resolve().parent
# PyGithub's module has the name of this file.
sys.path = [folder for folder in sys.path if pathlib.Path(folder or ".").resolve() != HERE]
TOOLS = HERE.parent.parent / ".tools" / "receivers" / "github"
PREFIX = "/repos/{owner}/{repo}"
COMMIT = "4b6472266afd7b471e86085a6659e8c7f2b119da"


def description(name):
    """An OpenAPI document of `@octokit/openapi`, fetched by npm where it is not there yet."""
    package, version = next(iter(
        json.loads((HERE / "github.package.json").read_text())["dependencies"].items()))
    folder = TOOLS / version
    file = folder / f"{name}.json"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(
            ["npm", "pack", "--silent", "--pack-destination", str(folder), f"{package}@{version}"],
            check=True, capture_output=True, text=True).stdout.split()[-1]
        with tarfile.open(folder / packed) as archive:
            for wanted in ("api.github.com", "ghes-3.17", "ghes-3.18", "ghes-3.19"):
                member = archive.extractfile(f"package/generated/{wanted}.json")
                (folder / f"{wanted}.json").write_bytes(member.read())
        (folder / packed).unlink()
    return json.loads(file.read_text())


def plain(schema):
    """A schema of OpenAPI 3.0 as JSON Schema: `nullable` is a type there."""
    if isinstance(schema, list):
        return [plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: plain(value) for key, value in schema.items()
            if key not in ("example", "examples", "nullable", "discriminator")}
    if schema.get("nullable") is True:
        made = {"anyOf": [made, {"type": "null"}]}
    return made


class Contract:
    """What a description says of requests and answers."""

    def __init__(self, name):
        self.document = description(name)
        components = self.document["components"]
        self.components = {
            "schemas": {key: plain(value) for key, value in components["schemas"].items()}}
        self.paths = []
        for path, item in self.document["paths"].items():
            parts = re.split(r"\{([^}]+)\}", path)
            pattern = "".join(
                re.escape(part) if at % 2 == 0
                else (".+" if (path, part) == (f"{PREFIX}/git/ref/{{ref}}", "ref") else "[^/]+")
                for at, part in enumerate(parts))
            self.paths.append((path.count("{"), path, re.compile(f"^{pattern}$"), item))
        self.paths.sort(key=lambda one: one[0])
        self.validators = {}

    def example(self, name):
        return copy.deepcopy(self.document["components"]["examples"][name]["value"])

    def at(self, reference):
        found = self.document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        return found

    def full(self, thing):
        return self.at(thing["$ref"]) if "$ref" in thing else thing

    def operation(self, method, path):
        for _, template, pattern, item in self.paths:
            if pattern.match(path) and method.lower() in item:
                return template, item[method.lower()]
        return None, None

    def problems(self, schema, value):
        key = json.dumps(schema, sort_keys=True)
        if key not in self.validators:
            whole = {**plain(schema), "components": self.components}
            self.validators[key] = jsonschema.Draft202012Validator(
                whole, format_checker=jsonschema.FormatChecker())
        errors = self.validators[key].iter_errors(value)
        return [f"{error.json_path}: {error.message[:300]}" for error in errors]

    def of_request(self, method, path, query, headers, body):
        template, operation = self.operation(method, path)
        if operation is None:
            return None, [f"{method} {path}: there is no such operation"]
        found = []
        known = {}
        for parameter in map(self.full, operation.get("parameters", [])):
            if parameter["in"] == "query":
                known[parameter["name"]] = parameter
        for name, value in query:
            if name not in known:
                found.append(f"query {name}: GitHub has no such parameter")
                continue
            schema = self.full(known[name]["schema"])
            typed = int(value) if schema.get("type") == "integer" and value.isdigit() else value
            found += [f"query {name}: {why}" for why in self.problems(known[name]["schema"], typed)]
        for name in ("user-agent", "accept", "authorization"):
            if not headers.get(name):
                found.append(f"header {name}: it is missing")
        if template == f"{PREFIX}/issues/{{issue_number}}/labels" and isinstance(body, list):
            # "You can also pass an array of labels directly", it says, and its schema does not.
            body = {"labels": body}
        wanted = operation.get("requestBody")
        if body is not None and wanted:
            schema = wanted["content"]["application/json"]["schema"]
            found += [f"body {why}" for why in self.problems(schema, body)]
        elif wanted and wanted.get("required"):
            found.append("body: it is missing")
        return template, found

    def of_answer(self, method, path, status, body):
        _, operation = self.operation(method, path)
        answer = operation["responses"].get(str(status)) if operation else None
        if answer is None:
            # What the description leaves out, and GitHub answers to any operation.
            return [] if status in (301, 401, 403, 404, 429, 500) else [f"it has no answer {status}"]
        content = self.full(answer).get("content", {}).get("application/json")
        return self.problems(content["schema"], body) if content else []


class Switches:
    """What goes wrong, until it is set again."""

    lag_s = 0.0       # lists do not show what is younger
    lists_nothing = False  # lists are empty
    drop_labels = False    # no push access: labels and assignees are left out
    refuse = 0        # so many writes are answered 403, secondary limit
    retry_after = 0   # with this header, where it is not 0
    lose = 0          # so many writes are done and never answered
    fail_uploads = False   # SARIF ends as failed
    hidden = False    # the repository is 404
    renamed = ""      # 301 to the repository of this name


class GitHub:
    def __init__(self, url, contract):
        self.url, self.contract, self.switches = url, contract, Switches()
        self.issues, self.comments, self.uploads = [], [], []
        self.violations, self.requests = [], []
        self.lock = threading.Lock()

    # What it is made of

    def moment(self):
        """Now, in whole seconds as GitHub's."""
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def user(self, login):
        made = self.contract.example("simple-user")
        text = json.dumps(made).replace("octocat", login)
        return {**json.loads(text), "login": login, "id": self.number(login)}

    @staticmethod
    def number(text):
        return int(hashlib.sha256(text.encode()).hexdigest()[:7], 16)

    def label(self, repository, name):
        at = f"{self.url}/repos/{repository}/labels/{urllib.parse.quote(name)}"
        return {"id": self.number(name), "node_id": "MDU6TGFiZWw=", "url": at, "name": name,
                "description": None, "color": "ededed", "default": False}

    def repository(self, name):
        made = self.contract.example("full-repository")
        owner, short = name.split("/")
        made.update(full_name=name, name=short, owner=self.user(owner), default_branch="main",
                    has_issues=True, archived=False, has_discussions=False, url=f"{self.url}/repos/{name}",
                    html_url=f"{self.url}/{name}",
                    permissions={"admin": False, "push": not self.switches.drop_labels, "pull": True},
                    open_issues_count=sum(one["state"] == "open" for one in self.held(name)))
        made["open_issues"] = made["open_issues_count"]
        return made

    def held(self, name):
        return [one for one in self.issues if one["repository_url"].endswith(f"/repos/{name}")]

    def find(self, name, number):
        return next((one for one in self.held(name) if one["number"] == int(number)), None)

    # What it answers: status, body, headers

    def answer(self, method, path, query, headers, body):
        token = (headers.get("authorization") or "").split(" ")[-1]
        if not token.startswith("token-"):
            return 401, error("Bad credentials", 401), {}
        login = token.removeprefix("token-")
        template, problems = self.contract.of_request(method, path, query, headers, body)
        if problems:
            self.violations += [f"{method} {path}: {why}" for why in problems]
            return (404, error("Not Found", 404), {}) if template is None else \
                (422, {"message": "Validation Failed", "documentation_url": "x",
                       "errors": [{"code": "custom", "message": why} for why in problems]}, {})
        if template == "/user":
            return 200, {**self.contract.example("private-user"), **self.user(login)}, {}
        if not template.startswith(PREFIX):
            return 404, error("Not Found", 404), {}
        repository = "/".join(path.split("/")[2:4])
        if self.switches.hidden:
            return 404, error("Not Found", 404), {}
        if self.switches.renamed and repository != self.switches.renamed:
            rest = path.split("/", 4)[4:]
            moved = "/".join([f"{self.url}/repos/{self.switches.renamed}", *rest])
            return 301, {"message": "Moved Permanently", "url": moved, "documentation_url": "x"}, \
                {"location": moved}
        if method != "GET" and self.switches.refuse > 0:
            self.switches.refuse -= 1
            wait = {"retry-after": str(self.switches.retry_after)} if self.switches.retry_after else {}
            return 403, error("You have exceeded a secondary rate limit. Please wait a few minutes "
                              "before you try again.", 403), wait
        return self.act(method, template.removeprefix(PREFIX), path, repository,
                        dict(query), login, body)

    def act(self, method, what, path, repository, query, login, body):
        parts = [urllib.parse.unquote(part) for part in path.split("/")[4:]]
        issue = None
        if "{issue_number}" in what:
            issue = self.find(repository, parts[1])
            if issue is None:
                return 404, error("Not Found", 404), {}
        match method, what:
            case "GET", "":
                return 200, self.repository(repository), {}
            case "GET", "/issues":
                return self.list(repository, query)
            case "POST", "/issues":
                return self.create(repository, login, body)
            case "GET", "/issues/{issue_number}":
                return 200, issue, {}
            case "PATCH", "/issues/{issue_number}":
                return self.change(issue, login, body)
            case "GET", "/issues/{issue_number}/comments":
                found = [one for one in self.comments if one["issue_url"] == issue["url"]
                         and one["updated_at"] >= query.get("since", "")]
                return self.page(found, query, path)
            case "POST", "/issues/{issue_number}/comments":
                if len(body["body"]) > 65_536:
                    return self.invalid("body is too long (maximum is 65536 characters)")
                return self.comment(issue, login, body)
            case "POST", "/issues/{issue_number}/labels":
                wanted = body["labels"] if isinstance(body, dict) else body
                have = [label["name"] for label in issue["labels"]]
                issue["labels"] += [self.label(repository, name) for name in wanted
                                    if name not in have]
                return 200, issue["labels"], {}
            case "DELETE", "/issues/{issue_number}/labels/{name}":
                kept = [label for label in issue["labels"] if label["name"] != parts[3]]
                if len(kept) == len(issue["labels"]):
                    return 404, error("Label does not exist", 404), {}
                issue["labels"] = kept
                return 200, kept, {}
            case "GET", "/git/ref/{ref}":
                if parts[2:] != ["heads", "main"]:
                    return 404, error("Not Found", 404), {}
                at = f"{self.url}/repos/{repository}/git"
                return 200, {"ref": "refs/heads/main", "node_id": "x", "url": f"{at}/refs/heads/main",
                             "object": {"type": "commit", "sha": COMMIT,
                                        "url": f"{at}/commits/{COMMIT}"}}, {}
            case "GET", "/code-scanning/analyses":
                return (200, [], {}) if self.uploads else (404, error("no analysis found", 404), {})
            case "POST", "/code-scanning/sarifs":
                return self.upload(repository, body)
            case "GET", "/code-scanning/sarifs/{sarif_id}":
                return self.status(parts[2])
        return 404, error("Not Found", 404), {}

    def invalid(self, why):
        return 422, {"message": "Validation Failed", "documentation_url": "x",
                     "errors": [{"resource": "Issue", "field": "body", "code": "custom",
                                 "message": why}]}, {}

    def create(self, repository, login, body):
        if len(body.get("body") or "") > 65_536:
            return self.invalid("body is too long (maximum is 65536 characters)")
        if len(str(body["title"])) > 256:
            return self.invalid("title is too long (maximum is 256 characters)")
        now, number = self.moment(), len(self.held(repository)) + 1
        drops = self.switches.drop_labels
        labels = [] if drops else [name if isinstance(name, str) else name["name"]
                                   for name in body.get("labels") or []]
        people = [] if drops else [self.user(name) for name in body.get("assignees") or []]
        at = f"{self.url}/repos/{repository}"
        made = {
            "id": self.number(f"{repository}#{number}"), "node_id": "MDU6SXNzdWUx",
            "url": f"{at}/issues/{number}", "repository_url": at,
            "labels_url": f"{at}/issues/{number}/labels{{/name}}",
            "comments_url": f"{at}/issues/{number}/comments",
            "events_url": f"{at}/issues/{number}/events",
            "html_url": f"{self.url}/{repository}/issues/{number}",
            "number": number, "state": "open", "state_reason": None, "title": str(body["title"]),
            "body": body.get("body"), "user": self.user(login),
            "labels": [self.label(repository, name) for name in labels],
            "assignee": people[0] if people else None, "assignees": people, "milestone": None,
            "locked": False, "active_lock_reason": None, "comments": 0, "closed_at": None,
            "closed_by": None, "created_at": now, "updated_at": now,
            "author_association": "COLLABORATOR",
        }
        made["born_s"] = time.time()
        self.issues.append(made)
        return 201, made, {"location": made["url"]}

    def change(self, issue, login, body):
        if len(body.get("body") or "") > 65_536:
            return self.invalid("body is too long (maximum is 65536 characters)")
        now = self.moment()
        for name in ("title", "body"):
            if name in body:
                issue[name] = body[name]
        if body.get("state") and body["state"] != issue["state"]:
            is_closed = body["state"] == "closed"
            reason = body.get("state_reason") or ("completed" if is_closed else "reopened")
            issue.update(state=body["state"], state_reason=reason,
                         closed_at=now if is_closed else None,
                         closed_by=self.user(login) if is_closed else None)
        issue["updated_at"] = now
        return 200, issue, {}

    def comment(self, issue, login, body):
        now, number = self.moment(), len(self.comments) + 1
        made = {"id": number, "node_id": "MDEyOklzc3VlQ29tbWVudDE=", "issue_url": issue["url"],
                "url": f"{issue['repository_url']}/issues/comments/{number}",
                "html_url": f"{issue['html_url']}#issuecomment-{number}",
                "body": body["body"], "user": self.user(login), "created_at": now,
                "updated_at": now, "author_association": "COLLABORATOR"}
        self.comments.append(made)
        issue["comments"] += 1
        issue["updated_at"] = now
        return 201, made, {"location": made["url"]}

    def list(self, repository, query):
        labels = [name for name in query.get("labels", "").split(",") if name]
        state = query.get("state", "open")

        def is_shown(one):
            names = [label["name"] for label in one["labels"]]
            return (all(name in names for name in labels)
                    and query.get("creator", one["user"]["login"]) == one["user"]["login"]
                    and state in ("all", one["state"])
                    and one["updated_at"] >= query.get("since", "")
                    and time.time() - one["born_s"] >= self.switches.lag_s
                    and not self.switches.lists_nothing)

        key = "updated_at" if query.get("sort") == "updated" else "created_at"
        found = sorted(filter(is_shown, self.held(repository)),
                       key=lambda one: (one[key], one["number"]),
                       reverse=query.get("direction", "desc") == "desc")
        return self.page(found, query, f"/repos/{repository}/issues")

    def page(self, found, query, path):
        size, at = int(query.get("per_page", 30)), int(query.get("page", 1))
        headers = {}
        if len(found) > size * at:
            more = urllib.parse.urlencode({**query, "page": at + 1})
            headers["link"] = f'<{self.url}{path}?{more}>; rel="next"'
        return 200, found[size * (at - 1):size * at], headers

    def upload(self, repository, body):
        try:
            packed = base64.b64decode(body["sarif"], validate=True)
            sarif = json.loads(gzip.decompress(packed))
        except ValueError:
            return 400, error("Invalid SARIF", 400), {}
        if len(packed) > 10_000_000:
            return 413, error("Payload too big", 413), {}
        made = {"id": f"47177e22-5596-11eb-80a1-{len(self.uploads):012x}", "asked": 0,
                "repository": repository, "commit_sha": body["commit_sha"], "ref": body["ref"],
                "sarif": sarif}
        self.uploads.append(made)
        at = f"{self.url}/repos/{repository}/code-scanning/sarifs/{made['id']}"
        return 202, {"id": made["id"], "url": at}, {}

    def status(self, name):
        found = next((one for one in self.uploads if one["id"] == name), None)
        if found is None:
            return 404, error("Not Found", 404), {}
        found["asked"] += 1
        if found["asked"] == 1:
            return 200, {"processing_status": "pending"}, {}
        problems = ["there is no run"] if not found["sarif"].get("runs") else []
        if self.switches.fail_uploads:
            problems.append("rejecting SARIF, as there are more runs than allowed (99 > 20)")
        if problems:
            return 200, {"processing_status": "failed", "errors": problems}, {}
        at = f"{self.url}/repos/{found['repository']}/code-scanning/analyses?sarif_id={name}"
        return 200, {"processing_status": "complete", "analyses_url": at}, {}

    def shown(self):
        """What happened, for whoever looks behind the scenes."""
        issues = [{key: value for key, value in one.items() if key != "born_s"}
                  for one in self.issues]
        return {"issues": issues, "comments": self.comments, "uploads": self.uploads,
                "violations": self.violations, "requests": self.requests}


def error(message, status):
    return {"message": message, "documentation_url": "https://docs.github.com/rest",
            "status": str(status)}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    github = None

    def log_message(self, *_):
        pass

    def reply(self, status, body, headers):
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json; charset=utf-8",
                            "x-ratelimit-limit": "5000", "x-ratelimit-remaining": "4999",
                            "x-ratelimit-reset": str(int(time.time()) + 3600),
                            "x-github-request-id": "0000:0000", **headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def behind(self, body):
        if self.command == "POST":
            for name, value in body.items():
                assert hasattr(Switches, name), f"there is no switch {name}"
                setattr(self.github.switches, name, value)
        self.reply(200, self.github.shown(), {})

    def handle_one(self):
        length = int(self.headers.get("content-length") or 0)
        data = self.rfile.read(length)
        try:
            body = json.loads(data) if data else None
        except ValueError:
            return self.reply(400, error("Problems parsing JSON", 400), {})
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qsl(url.query, keep_blank_values=True)
        github = self.github
        with github.lock:
            if url.path == "/_double":
                return self.behind(body)
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer, more = github.answer(self.command, url.path, query, headers, body)
            held = json.loads(json.dumps(answer))
            for one in held if isinstance(held, list) else [held]:
                one.pop("born_s", None)
            github.requests.append(f"{self.command} {self.path} {status}")
            github.violations += [
                f"answer {status} to {self.command} {url.path}: {why}"
                for why in github.contract.of_answer(self.command, url.path, status, held)]
            if self.command != "GET" and status < 300 and github.switches.lose > 0:
                github.switches.lose -= 1
                self.close_connection = True
                return self.connection.close()
            self.reply(status, held, more)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_one


def serve(port, contract):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    url = f"http://127.0.0.1:{server.server_address[1]}"
    Handler.github = GitHub(url, Contract(contract))
    return server, url


def double(arguments):
    server, url = serve(arguments.port, arguments.description)
    ready = pathlib.Path(arguments.ready)
    beside = ready.with_name(ready.name + ".part")
    beside.write_text(json.dumps({"url": url, "pid": os.getpid()}))
    beside.rename(ready)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


# PyGithub

def client(url, login):
    import github
    return github.Github(base_url=url, auth=github.Auth.Token(f"token-{login}"), retry=None,
                         seconds_between_requests=0, seconds_between_writes=0)


def judge(arguments):
    """What a foreign client finds: every issue with its comments."""
    repository = client(arguments.url, arguments.login).get_repo(arguments.repository)
    found = [{
        "number": issue.number, "title": issue.title, "body": issue.body, "state": issue.state,
        "state_reason": issue.state_reason, "author": issue.user.login,
        "closed_by": issue.closed_by.login if issue.closed_by else None,
        "labels": [label.name for label in issue.labels],
        "assignees": [user.login for user in issue.assignees],
        "comments": [{"author": comment.user.login, "body": comment.body}
                     for comment in issue.get_comments()],
    } for issue in repository.get_issues(state="all", sort="created", direction="asc")]
    if arguments.expected is None:
        json.dump(found, sys.stdout, indent=2)
        print()
        return
    expected = json.loads(pathlib.Path(arguments.expected).read_text())
    seen = [{key: one[key] for key in expected[0]} for one in found]
    if seen == expected and all("<!-- countersign:" in one["body"] for one in found):
        print(f"pass github PyGithub reads {len(found)} issues as they were made")
    else:
        print("fail github PyGithub reads other issues than were made")
        sys.exit(1)


def journey(arguments):
    server, url = serve(0, arguments.description)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    held = Handler.github
    failed = 0

    def check(what, act):
        nonlocal failed
        before = len(held.violations)
        try:
            act()
            assert held.violations[before:] == [], held.violations[before:]
        except Exception as why:
            failed += 1
            print(f"fail github {what}: {type(why).__name__}: {why}")
        else:
            print(f"pass github {what}")

    ours, person = client(url, "countersign-bot"), client(url, "mona")
    repository = ours.get_repo("octo/shop")
    made = {}

    def create():
        assert ours.get_user().login == "countersign-bot"
        made["issue"] = repository.create_issue(
            "A finding", body="<!-- countersign:a:b -->", labels=["countersign", "severity::high"])
        assert made["issue"].number == 1 and made["issue"].user.login == "countersign-bot"

    def look():
        for number in range(2, 36):
            repository.create_issue(f"Number {number}", labels=["other"])
        listed = list(repository.get_issues(state="all", labels=["countersign"],
                                            creator="countersign-bot", sort="created"))
        assert [one.number for one in listed] == [1]
        assert len(list(repository.get_issues(state="all"))) == 35, "pages"

    def change():
        issue = made["issue"]
        issue.create_comment("It is over.")
        assert [one.body for one in issue.get_comments()] == ["It is over."]
        issue.edit(state="closed", state_reason="not_planned")
        again = repository.get_issue(1)
        assert (again.state, again.state_reason) == ("closed", "not_planned")
        assert again.closed_by.login == "countersign-bot"
        issue.edit(state="open")
        assert repository.get_issue(1).closed_by is None
        person.get_repo("octo/shop").get_issue(1).edit(state="closed")
        assert repository.get_issue(1).closed_by.login == "mona"
        issue.add_to_labels("triaged")
        issue.remove_from_labels("severity::high")
        assert [one.name for one in repository.get_issue(1).labels] == ["countersign", "triaged"]

    def upload():
        packed = base64.b64encode(gzip.compress(b'{"runs": [{"results": []}]}')).decode()
        _, receipt = repository._requester.requestJsonAndCheck(
            "POST", f"{repository.url}/code-scanning/sarifs",
            input={"commit_sha": repository.get_git_ref("heads/main").object.sha,
                   "ref": "refs/heads/main", "sarif": packed})
        status = [repository._requester.requestJsonAndCheck("GET", receipt["url"])[1]
                  for _ in range(2)]
        assert [one["processing_status"] for one in status] == ["pending", "complete"]

    def wrong():
        import github
        held.switches.drop_labels = True
        assert repository.create_issue("No push access", labels=["countersign"]).labels == []
        held.switches.drop_labels = False
        held.switches.lag_s = 3600
        assert list(repository.get_issues(state="all")) == []
        assert repository.get_issue(1).number == 1, "what is asked for is there"
        held.switches.lag_s = 0
        held.switches.refuse = 1
        try:
            repository.create_issue("Too fast")
            raise AssertionError("it was not refused")
        except github.RateLimitExceededException as why:
            assert why.status == 403
        count, held.switches.lose = len(held.issues), 1
        try:
            repository.create_issue("Lost")
            raise AssertionError("it was answered")
        except (ConnectionError, OSError):
            assert len(held.issues) == count + 1, "it is there all the same"
        for title, body in (("x", "y" * 65_537), ("x" * 257, "y")):
            try:
                repository.create_issue(title, body=body)
                raise AssertionError("it was not refused")
            except github.GithubException as why:
                assert why.status == 422, why

    def refused():
        """The checks can fail: what GitHub does not describe is found."""
        import github
        for body in ({"body": "no title"}, {"title": "x", "labels": 7}):
            try:
                repository._requester.requestJsonAndCheck(
                    "POST", f"{repository.url}/issues", input=body)
                raise AssertionError("it was not refused")
            except github.GithubException as why:
                assert why.status == 422, why
        for target in ("/issues?state=everything", "/issues?what=1", "/issue"):
            try:
                repository._requester.requestJsonAndCheck("GET", f"{repository.url}{target}")
                raise AssertionError("it was not refused")
            except github.GithubException:
                pass
        assert held.contract.of_answer("GET", "/repos/o/r/issues/1", 200, {"number": "1"})
        assert len(held.violations) == 5, held.violations
        held.violations.clear()

    def gone():
        held.switches.hidden = True
        import github
        try:
            repository.get_issue(1)
            raise AssertionError("it was shown")
        except github.UnknownObjectException:
            held.switches.hidden = False

    check("creates an issue", create)
    check("finds it by label, creator and page", look)
    check("comments, closes, opens and labels it", change)
    check("uploads SARIF and waits for it", upload)
    check("meets what goes wrong", wrong)
    check("does not see what is hidden", gone)
    check("is refused what GitHub does not describe", refused)
    server.shutdown()
    sys.exit(1 if failed else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("double")
    one.add_argument("--port", type=int, default=0)
    one.add_argument("--ready", required=True)
    one.set_defaults(act=double)
    two = commands.add_parser("judge")
    two.add_argument("--url", required=True)
    two.add_argument("--login", default="mona")
    two.add_argument("--repository", default="octo/shop")
    two.add_argument("--expected")
    two.set_defaults(act=judge)
    three = commands.add_parser("journey")
    three.set_defaults(act=journey)
    for command in (one, three):
        command.add_argument("--description", default="api.github.com",
                             help="api.github.com, or ghes-3.17 to ghes-3.19")
    arguments = parser.parse_args()
    arguments.act(arguments)


if __name__ == "__main__":
    main()
