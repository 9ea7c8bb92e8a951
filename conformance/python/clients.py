"""Clients that are not ours, unmodified, against a freshly started platform.

One `pass` or `fail` line for each capability. Results are compared with the
platform's own database, not only with "no exception".
"""

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
import ssl

HOME = os.environ["PLATFORM_HOME"]
REST = os.environ["PLATFORM_URL"]
EXPORTED = os.environ["EXPORT_HOME"]
BIN = os.path.dirname(sys.executable)

passed = failed = 0


def check(client, capability, act):
    global passed, failed
    try:
        act()
    except Exception as error:  # whatever a client throws is a failure of ours
        failed += 1
        print(f"fail {client} {capability}: {type(error).__name__}: {error}")
    else:
        passed += 1
        print(f"pass {client} {capability}")


def truth(sql, *values):
    with sqlite3.connect(f"file:{HOME}/platform.sqlite?mode=ro", uri=True) as database:
        return database.execute(sql, values).fetchall()


def same(actual, expected):
    assert actual == expected, f"got {actual!r}, expected {expected!r}"


def richest(scan_type):
    return truth(
        "select a.guid, count(*) from findings f join applications a on a.id = f.application"
        " where f.scan_type = ? and f.sandbox = 0 group by a.id order by 2 desc limit 1",
        scan_type,
    )[0]


def veracode_api_py():
    name = "veracode-api-py"
    from veracode_api_py import (
        APICredentials, Applications, BusinessUnits, CustomFields, CWECategories, CWEs, Findings,
        Policies, Roles, Sandboxes, SCAApplications, SummaryReport, Teams, Users,
    )

    def applications_list():
        listed = Applications().get_all()
        same({a["guid"] for a in listed}, {row[0] for row in truth("select guid from applications")})

    def applications_get():
        guid, title = truth("select guid, name from applications limit 1 offset 5")[0]
        same(Applications().get(guid)["profile"]["name"], title)

    def applications_by_name():
        title = truth("select name from applications limit 1 offset 7")[0][0]
        found = Applications().get_by_name(title)
        assert any(a["profile"]["name"] == title for a in found), found

    def sandboxes():
        guid, count = truth(
            "select a.guid, count(*) from sandboxes s join applications a on a.id = s.application group by 1"
        )[0]
        same(len(Sandboxes().get_all(guid)), count)

    check(name, "applications.list", applications_list)
    check(name, "applications.get", applications_get)
    check(name, "applications.by_name (encoded twice)", applications_by_name)
    check(name, "sandboxes.list", sandboxes)
    for scan_type in ["STATIC", "DYNAMIC", "MANUAL", "SCA"]:
        guid, count = richest(scan_type)
        check(
            name,
            f"findings.{scan_type.lower()} (all pages)",
            lambda: same(len(Findings().get_findings(guid, scantype=scan_type)), count),
        )

    def self_user():
        same(Users().get_self()["user_name"], "judge")

    def users_list():
        same(len(Users().get_all()), truth("select count(*) from users")[0][0])

    def roles():
        names = {role["role_name"] for role in Roles().get_all()}
        assert {"resultsapi", "extseclead", "adminapi"} <= names and len(names) == 44, names

    check(name, "users.self", self_user)
    check(name, "users.list", users_list)
    check(name, "roles.list", roles)
    check(name, "teams.list", lambda: same(len(Teams().get_all(all_for_org=True)), 6))
    check(name, "business_units.list", lambda: same(len(BusinessUnits().get_all()), 4))

    created = {}

    def user_create():
        created.update(
            Users().create(
                "new@example.com", "New", "Reader", username="new-reader", type="API",
                roles=["resultsapi", "noteamrestrictionapi"],
            )
        )
        assert created["user_id"], created

    def pair_for_user():
        pair = APICredentials().create(created["user_id"])
        assert len(pair["api_id"]) == 32 and len(pair["api_secret"]) == 128
        created["api_id"] = pair["api_id"]

    def pair_get():
        same(APICredentials().get(created["api_id"])["api_id"], created["api_id"])

    def pair_revoke():
        APICredentials().revoke(created["api_id"])
        same(truth("select revoked_by from credentials where api_id = ?", created["api_id"]), [("judge",)])

    def pair_self():
        assert APICredentials().get_self()["expiration_ts"].endswith("Z")

    def pair_renew():
        before = APICredentials().get_self()["api_id"]
        renewed = APICredentials().renew()
        assert renewed["api_id"] != before and len(renewed["api_secret"]) == 128

    def user_update():
        Users().update_roles(created["user_id"], ["resultsapi", "mitigationapi", "noteamrestrictionapi"])
        Users().update_email_address(created["user_id"], "changed@example.com", ignore_verification=True)
        Users().update(created["user_id"], {"first_name": "Newer"})
        rows = truth("select email, first_name from users where guid = ?", created["user_id"])
        same(rows, [("changed@example.com", "Newer")])
        roles = truth("select count(*) from user_roles r join users u on u.id = r.user where u.guid = ?", created["user_id"])
        same(roles, [(3,)])

    def user_find():
        same([user["user_id"] for user in Users().get_by_name("new-reader")], [created["user_id"]])
        same([user["user_id"] for user in Users().get_user_search("Newer Reader".split()[0])], [created["user_id"]])
        same([user["user_id"] for user in Users().get_user_search("changed@example.com")], [created["user_id"]])
        same(Users().get_user_search("nobody at all"), [])

    def user_reset_password():
        found = Users().get(created["user_id"])
        Users().reset_password(found["user_legacy_id"])
        # Of each generated and revoked credential the owner is told as well.
        mails = truth(
            "select subject from outbox where recipient = 'changed@example.com'"
            " and subject not like 'API credentials %'"
        )
        same(mails, [("Welcome to Veracode",)])

    def user_disable_and_delete():
        Users().disable(created["user_id"])
        same(truth("select active from users where guid = ?", created["user_id"]), [(0,)])
        Users().delete(created["user_id"])
        same(truth("select count(*) from users where guid = ?", created["user_id"]), [(0,)])

    def team_life():
        unit = truth("select guid from business_units where is_default = 0")[0][0]
        team = Teams().create("Night Watch", business_unit=unit, members=["judge"])
        same([t["team_id"] for t in Teams().get_by_name("Night Watch")], [team["team_id"]])
        Teams().update(team["team_id"], team_name="Day Watch")
        whole = Teams().get(team["team_id"])
        same((whole["team_name"], whole["business_unit"]["bu_id"]), ("Day Watch", unit))
        same([user["user_name"] for user in whole["users"]], ["judge"])
        Teams().delete(team["team_id"])
        same(truth("select count(*) from teams where name = 'Day Watch'"), [(0,)])

    def business_unit_life():
        unit = BusinessUnits().create("Night Shift")
        team = truth("select guid from teams")[0][0]
        BusinessUnits().update(unit["bu_id"], name="Day Shift", teams=[team])
        same([u["bu_id"] for u in BusinessUnits().get_by_name("Day Shift")], [unit["bu_id"]])
        same([t["team_id"] for t in BusinessUnits().get(unit["bu_id"])["teams"]], [team])
        BusinessUnits().delete(unit["bu_id"])
        same(truth("select count(*) from business_units where name = 'Day Shift'"), [(0,)])

    def application_life():
        made = Applications().create("Night Shop", "HIGH", description="made up")
        Applications().update(made["guid"], "Day Shop", "LOW")
        same(
            truth("select name, business_criticality, description from applications where guid = ?", made["guid"]),
            [("Day Shop", "LOW", None)],
        )
        sandbox = Sandboxes().create(made["guid"], "feature one")
        Sandboxes().update(made["guid"], sandbox["guid"], "feature two", auto_recreate=True)
        same([s["name"] for s in Sandboxes().get_all(made["guid"])], ["feature two"])
        Sandboxes().delete(made["guid"], sandbox["guid"])
        Applications().delete(made["guid"])
        same(truth("select count(*) from applications where guid = ?", made["guid"]), [(0,)])

    def annotation():
        guid, issue = truth(
            "select a.guid, f.issue_id from findings f join applications a on a.id = f.application"
            " where f.scan_type = 'STATIC' and f.sandbox = 0 and f.resolution_status = 'NONE' limit 1"
        )[0]
        Findings().add_annotation(guid, [issue], "checked", "OSENV")
        found = Findings().get_findings(guid, scantype="STATIC", annot=True)
        flaw = [f for f in found if f["issue_id"] == issue][0]
        same((flaw["annotations"][0]["action"], flaw["finding_status"]["resolution_status"]), ("OSENV", "PROPOSED"))

    def policies():
        listed = Policies().get_all()
        same({p["name"] for p in listed}, {row[0] for row in truth("select name from policies")})
        one = Policies().get(listed[0]["guid"])
        same((one["version"], one["finding_rules"][0]["type"]), (1, "MAX_SEVERITY"))

    def dictionaries():
        same(len(CWEs().get_all()), truth("select count(*) from cwes")[0][0])
        same(CWEs().get(89)["id"], 89)
        same(len(CWECategories().get_all()), truth("select count(*) from categories")[0][0])
        same(CWECategories().get(19)["name"], "SQL Injection")
        fields = CustomFields().get_all()["_embedded"]["app_custom_field_names"]
        same([field["name"] for field in fields], ["Cost Center"])

    def flaw_details():
        for scan_type in ["STATIC", "DYNAMIC"]:
            guid, issue, line = truth(
                "select a.guid, f.issue_id, replace(f.details, char(1), '') ->> 'file_line_number'"
                " from findings f join applications a on a.id = f.application"
                " where f.scan_type = ? and f.sandbox = 0 limit 1", scan_type
            )[0]
            if scan_type == "STATIC":
                info = Findings().get_static_flaw_info(guid, issue)
                same(info["data_paths"][0]["line_number"], line)
            else:
                info = Findings().get_dynamic_flaw_info(guid, issue)
                assert info["dynamic_flaw_info"]["request"]["url"].startswith("https://"), info
            same(info["issue_summary"]["issue_id"], issue)

    def summary():
        guid = os.environ["STATIC_APPLICATION"]
        report = SummaryReport().get_summary_report(guid)
        open_flaws = truth(
            "select count(*) from findings f join applications a on a.id = f.application"
            " where a.guid = ? and f.sandbox = 0 and f.is_sca = 0 and f.status = 'OPEN'", guid
        )
        same([(report["total_flaws"],)], open_flaws)

    def component_annotation():
        guid, component, cve = truth(
            "select a.guid, replace(f.details, char(1), '') ->> 'component_id', f.cve"
            " from findings f join applications a on a.id = f.application"
            " where f.is_sca = 1 and f.sandbox = 0 limit 1"
        )[0]
        SCAApplications().add_annotation(guid, "BYDESIGN", "not reachable", "VULNERABILITY", component, cve_name=cve)
        said = SCAApplications().get_annotations(guid, "VULNERABILITY", annotation_status="PROPOSED", cve_name=cve)
        same(said["_embedded"]["sca_annotations"][0]["action"], "BYDESIGN")

    check(name, "policies (list, get)", policies)
    check(name, "cwes, categories, custom fields", dictionaries)
    check(name, "findings.static_flaw_info, dynamic_flaw_info", flaw_details)
    check(name, "summary_report", summary)
    check(name, "sca annotations (add, list)", component_annotation)
    check(name, "findings.add_annotation, and read back", annotation)
    check(name, "users.create (API account)", user_create)
    check(name, "users.update, update_roles, update_email_address", user_update)
    check(name, "users.get_by_name, get_user_search", user_find)
    check(name, "credentials.create", pair_for_user)
    check(name, "credentials.get", pair_get)
    check(name, "credentials.revoke", pair_revoke)
    check(name, "credentials.get_self", pair_self)
    check(name, "credentials.renew", pair_renew)
    check(name, "users.reset_password (the activation again)", user_reset_password)
    check(name, "users.disable, delete", user_disable_and_delete)
    check(name, "teams (create, find, update, delete)", team_life)
    check(name, "business_units (create, find, update, delete)", business_unit_life)
    check(name, "applications and sandboxes (create, update, delete)", application_life)


def veracode_api_signing():
    name = "veracode-api-signing"
    url = f"{REST}/appsec/v1/applications?size=3"

    def plugin():
        import requests
        from veracode_api_signing.plugin_requests import RequestsAuthPluginVeracodeHMAC

        answer = requests.get(url, auth=RequestsAuthPluginVeracodeHMAC(), timeout=30)
        same((answer.status_code, len(answer.json()["_embedded"]["applications"])), (200, 3))

    def command_line():
        made = subprocess.run(
            [f"{BIN}/veracode_hmac_auth", "GET", url], capture_output=True, text=True, check=True
        )
        header = re.search(r"VERACODE-HMAC-SHA-256 \S+", made.stdout + made.stderr).group(0)
        request = urllib.request.Request(url, headers={"Authorization": header})
        trust = ssl.create_default_context(cafile=f"{HOME}/ca.pem")
        with urllib.request.urlopen(request, context=trust, timeout=30) as answer:
            same(json.load(answer)["page"]["size"], 3)
        try:
            urllib.request.urlopen(request, context=trust, timeout=30)
        except urllib.error.HTTPError as error:
            same(error.code, 401)
        else:
            raise AssertionError("a replayed header was accepted")

    # What asks with the pair that its environment or its credentials file holds.
    asking = [
        f"{BIN}/python", "-c",
        "import requests; from veracode_api_signing.plugin_requests import RequestsAuthPluginVeracodeHMAC;"
        f" print(requests.get({url!r}, auth=RequestsAuthPluginVeracodeHMAC(), timeout=30).status_code)",
    ]

    def countersign(*arguments, **more):
        made = subprocess.run(
            [os.environ["COUNTERSIGN"], "--home", EXPORTED, *arguments], capture_output=True, text=True, **more
        )
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    def exported_file():
        countersign("credentials", "import", "judge", "--url", REST, "--ca-file", f"{HOME}/ca.pem")
        os.mkdir(f"{EXPORTED}/.veracode", 0o700)
        path = f"{EXPORTED}/.veracode/credentials"
        with open(path, "w", encoding="utf-8") as file:
            file.write("# ours\n[other]\nveracode_api_key_id = 0123\n  and more\n")
        countersign("credentials", "export", "judge", "--format", "ini", "--profile", "ci", "--output", path)
        assert open(path, encoding="utf-8").read().startswith("# ours\n[other]\n")
        bare = {key: value for key, value in os.environ.items() if not key.startswith("VERACODE_")}
        made = subprocess.run(
            asking, env=bare | {"HOME": EXPORTED, "VERACODE_API_PROFILE": "ci"}, capture_output=True, text=True
        )
        same((made.stdout.strip(), made.stderr), ("200", ""))

    def command_with_pair():
        elsewhere = os.environ | {"VERACODE_API_KEY_ID": "0123", "HOME": "/nonexistent"}
        same(countersign("credentials", "env", "judge", "--", *asking, env=elsewhere), "200")

    check(name, "requests plug-in", plugin)
    check(name, "command-line helper, and its header a second time", command_line)
    check(name, "credentials file that we exported, by profile", exported_file)
    check(name, "command that we run with the pair", command_with_pair)


def httpie():
    name = "HTTPie"

    def run(*arguments):
        made = subprocess.run(
            [f"{BIN}/http", "--ignore-stdin", "--check-status", "--verify", f"{HOME}/ca.pem",
             "--auth-type", "veracode_hmac", "--body", *arguments],
            capture_output=True, text=True,
        )
        assert made.returncode == 0, made.stderr or made.stdout
        return json.loads(made.stdout)

    def get():
        same(run("GET", f"{REST}/api/authn/v2/users/self")["user_name"], "judge")

    def query():
        body = run("GET", f"{REST}/appsec/v1/applications", "size==2", "page==1")
        same((body["page"]["number"], len(body["_embedded"]["applications"])), (1, 2))

    check(name, "GET", get)
    check(name, "GET with a query", query)


veracode_api_py()
veracode_api_signing()
httpie()
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
