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

RECOMMENDED = "9ab6dc63-29cf-4457-a1d1-e2125277df0e"
VERY_HIGH = "c8ffa32c-58fa-48a3-9d53-e4cbf7d29283"
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
        APICredentials, Analytics, Applications, BusinessUnits, Collections, CustomFields, CWECategories, CWEs,
        Findings, Policies, Roles, Sandboxes, SCAApplications, SummaryReport, Teams, Users,
    )
    from requests.exceptions import RequestException
    from veracode_api_py.identity import Permissions

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

    def findings_report():
        # Of 150 days; the client reads the first page.
        start = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 150 * 86400))
        guid = Analytics().create_findings_report(start)
        for _ in range(100):
            status, rows = Analytics().get_findings(guid)
            if status != "PROCESSING":
                break
            time.sleep(0.1)
        same(status, "COMPLETED")
        expected = truth(
            "select f.application, f.issue_id, f.cve from report_findings r join findings f"
            " on f.id = r.finding where r.report = ? and r.ordinal < 1000 order by r.ordinal", guid
        )
        same([(row["app_id"], row["flaw_id"], row["cve_id"]) for row in rows], expected)
        assert len(rows) > 100, len(rows)

    def component_annotation():
        guid, component, cve = truth(
            "select a.guid, replace(f.details, char(1), '') ->> 'component_id', f.cve"
            " from findings f join applications a on a.id = f.application"
            " where f.is_sca = 1 and f.sandbox = 0 limit 1"
        )[0]
        SCAApplications().add_annotation(guid, "BYDESIGN", "not reachable", "VULNERABILITY", component, cve_name=cve)
        said = SCAApplications().get_annotations(guid, "VULNERABILITY", annotation_status="PROPOSED", cve_name=cve)
        same(said["_embedded"]["sca_annotations"][0]["action"], "BYDESIGN")

    def vendor_policies():
        same(Policies().get(RECOMMENDED)["name"], "Veracode Recommended High")
        same(Policies().get(VERY_HIGH)["name"], "Veracode Recommended Very High")
        rules = {rule["type"]: rule["value"] for rule in Policies().get(RECOMMENDED)["finding_rules"]}
        same(rules, {"MAX_SEVERITY": "3", "MIN_SCORE": "80"})

    def default_policy():
        made = Applications().create("Policy Shop", "LOW")
        policy = made["profile"]["policies"][0]
        same((policy["guid"], policy["is_default"]), (RECOMMENDED, True))
        other = Applications().create("Stricter Shop", "LOW", policy_guid=VERY_HIGH)
        same(other["profile"]["policies"][0]["guid"], VERY_HIGH)
        for one in [made, other]:
            Applications().delete(one["guid"])

    def manual_category():
        guid, _ = richest("MANUAL")
        for flaw in Findings().get_findings(guid, scantype="MANUAL"):
            category = flaw["finding_details"]["finding_category"]
            assert category["id"] and category["name"] and category["href"], flaw

    def false_positive():
        guid, issue = truth(
            "select a.guid, f.issue_id from findings f join applications a on a.id = f.application"
            " where f.scan_type = 'STATIC' and f.sandbox = 0 and f.resolution_status = 'NONE'"
            " and f.status = 'OPEN' limit 1"
        )[0]
        Findings().add_annotation(guid, [issue], "a constant", "FP")
        Findings().add_annotation(guid, [issue], "agreed", "ACCEPTED")
        found = Findings().get_findings(guid, scantype="STATIC")
        status = [f for f in found if f["issue_id"] == issue][0]["finding_status"]
        same(
            (status["status"], status["resolution"], status["resolution_status"]),
            ("CLOSED", "POTENTIAL_FALSE_POSITIVE", "APPROVED"),
        )

    def component_false_positive():
        guid, component, cve = truth(
            "select a.guid, replace(f.details, char(1), '') ->> 'component_id', f.cve"
            " from findings f join applications a on a.id = f.application where f.is_sca = 1 and f.sandbox = 0"
            " and f.status = 'OPEN' and f.resolution_status = 'NONE' and f.violates_policy limit 1"
        )[0]
        for action in ["FP", "APPROVE"]:
            SCAApplications().add_annotation(guid, action, "not called", "VULNERABILITY", component, cve_name=cve)
        found = Findings().get_findings(guid, scantype="SCA")
        details = lambda f: (f["finding_details"]["component_id"], f["finding_details"]["cve"]["name"])
        for finding in [f for f in found if details(f) == (component, cve)]:
            status = finding["finding_status"]
            same(
                (status["status"], status["resolution"], status["resolution_status"], finding["violates_policy"]),
                ("OPEN", "POTENTIAL_FALSE_POSITIVE", "APPROVED", False),
            )

    def role_life():
        made = Roles().create("scribe", "Scribe", permissions=[{"permission_name": "viewResults"}])
        same(Roles().get(made["role_id"])["role_description"], "Scribe")
        Roles().delete(made["role_id"])
        same(truth("select count(*) from custom_roles"), [(0,)])

    def permissions():
        all = Permissions().get_all()
        one = Permissions().get(all[0]["permission_id"])
        same(one["permission_name"], all[0]["permission_name"])

    def search_by_role():
        role = [r["role_id"] for r in Roles().get_all() if r["role_name"] == "adminapi"][0]
        same([u["user_name"] for u in Users().get_user_search(role_id=role)], ["judge"])

    def search_by_no_role():
        try:
            Users().get_user_search(role_id="00000000-0000-4000-8000-000000000000")
        except RequestException as error:
            same((error.errno, error.response.json()["status"]), (400, 400))
            return
        raise AssertionError("a role that is none was found")

    collected = {}

    def collection_create():
        guids = [row[0] for row in truth("select guid from applications order by id limit 3")]
        unit = truth("select guid, name from business_units where is_default = 0")[0]
        made = Collections().create(
            "Night Portfolio", "made up", "night,day", unit[0], [{"name": "Owner", "value": "Ana"}], guids
        )
        collected.update(made, unit=unit, guids=guids)
        same((made["total_assets"], made["business_unit"]["name"]), (3, unit[1]))

    def collection_find():
        for found in [
            Collections().get_all(),
            Collections().get_by_name("Night"),
            Collections().get_by_business_unit(collected["unit"][1]),
        ]:
            same([c["guid"] for c in found], [collected["guid"]])
        same(Collections().get(collected["guid"])["custom_fields"], [{"name": "Owner", "value": "Ana"}])

    def collection_assets():
        same([a["guid"] for a in Collections().get_assets(collected["guid"])], collected["guids"])

    def collection_statistics():
        counts = Collections().get_statistics()
        same((counts["total_collections"], counts["total_assets"]), (1, 3))
        assert set(counts["compliance_overview"]) >= set(Collections.compliance_titles) - {
            "DID_NOT_PASS", "PASSED", "CONDITIONAL_PASS", "NOT_ASSESSED", "NOT_EVALUATED"
        }, counts

    def collection_update():
        same(Collections().update(collected["guid"], "Day Portfolio")["total_assets"], 3)
        one = collected["guids"][:1]
        same(Collections().update(collected["guid"], "Day Portfolio", assets=one)["total_assets"], 1)

    def collection_delete():
        Collections().delete(collected["guid"])
        same(truth("select count(*) from collections"), [(0,)])

    check(name, "policies (list, get)", policies)
    check(name, "policies of the vendor by their known guids", vendor_policies)
    check(name, "applications.create (the recommended policy, and another)", default_policy)
    check(name, "findings.manual with finding_category", manual_category)
    check(name, "findings.add_annotation (an approved false positive is closed)", false_positive)
    check(name, "sca annotations (an approved one stays open)", component_false_positive)
    check(name, "roles (create, get, delete)", role_life)
    check(name, "permissions (list, get)", permissions)
    check(name, "users.get_user_search by role", search_by_role)
    check(name, "users.get_user_search by a role that is none", search_by_no_role)
    check(name, "collections.create", collection_create)
    check(name, "collections.get_all, get_by_name, get_by_business_unit, get", collection_find)
    check(name, "collections.get_assets", collection_assets)
    check(name, "collections.get_statistics", collection_statistics)
    check(name, "collections.update (members stay where none are named)", collection_update)
    check(name, "collections.delete", collection_delete)
    check(name, "cwes, categories, custom fields", dictionaries)
    check(name, "findings.static_flaw_info, dynamic_flaw_info", flaw_details)
    check(name, "summary_report", summary)
    check(name, "analytics.create_findings_report, get_findings", findings_report)
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
    check(name, "command that countersign runs with the credentials", command_with_pair)


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

    def call(method, path, *arguments):
        """Status and body of whatever is answered."""
        made = subprocess.run(
            [f"{BIN}/http", "--ignore-stdin", "--verify", f"{HOME}/ca.pem", "--auth-type", "veracode_hmac",
             "--print", "hb", "--pretty", "none", method, f"{REST}{path}", *arguments],
            capture_output=True, text=True,
        )
        head, _, body = made.stdout.replace("\r\n", "\n").partition("\n\n")
        return int(head.split()[1]), json.loads(body) if body.strip() else None

    def life(path, id, fields):
        """What the vendor's own collection of calls asserts: 201, 200, 200."""
        status, made = call("POST", path, *fields)
        same(status, 201)
        own = f"{path}/{made[id]}"
        same(call("PUT", own, "partial==true", fields[0])[0], 200)
        same(call("DELETE", own)[0], 200)
        same(call("GET", own)[0], 404)

    identity = "/api/authn/v2"
    user = [
        "user_name=visitor", "email_address=visitor@example.com", "first_name=Vi", "last_name=Sitor",
        'roles:=[{"role_name": "resultsapi"}, {"role_name": "noteamrestrictionapi"}]',
        'permissions:=[{"permission_name": "apiUser"}]', "ipRestricted:=false", "userType=VOSP",
    ]
    role = ["role_name=visiting", "role_description=Visiting", 'child_roles:=[{"role_name": "extreviewer"}]']

    def numbers():
        ids = []
        for _ in range(3):
            made = call("POST", f"{identity}/teams", "team_name=Numbered")[1]
            ids.append(made["team_legacy_id"])
            call("DELETE", f"{identity}/teams/{made['team_id']}")
        same(len(set(ids)), 3)

    def principal():
        status, own = call("GET", f"{identity}/principal")
        same((status, own["username"], own["samlUser"]), (200, "judge", False))
        assert "approveMitigations" in own["permissions"] and "Admin API" in own["roles"], own
        assert isinstance(own["userId"], int) and isinstance(own["features"], list), own

    def role_id(of):
        roles = call("GET", f"{identity}/roles", "page==0", "size==500")[1]["_embedded"]["roles"]
        return [one["role_id"] for one in roles if one["role_name"] == of][0]

    def by_role():
        status, page = call("GET", f"{identity}/users/by_role/{role_id('adminapi')}")
        same((status, [one["user_name"] for one in page["_embedded"]["users"]]), (200, ["judge"]))
        same(page["page"]["total_elements"], 1)

    def not_in_team():
        team = truth("select guid from teams limit 1")[0][0]
        status, page = call("GET", f"{identity}/users/notinteam", f"team_id=={team}", "search_term==judge")
        same((status, [one["user_name"] for one in page["_embedded"]["users"]]), (200, ["judge"]))

    def all_teams():
        page = call("GET", f"{identity}/teams", "ignore_self_teams==true")[1]
        same(page["page"]["total_elements"], truth("select count(*) from teams")[0][0])

    def active():
        users = call("GET", f"{identity}/users")[1]["_embedded"]["users"]
        assert users and all(isinstance(one["active"], bool) for one in users), users

    def bad_id():
        status, body = call("GET", f"{identity}/users/search", "team_id==nonsense")
        same((status, body["status"], len(body["errors"])), (400, 400, 1))

    def error_of_application():
        path = "/appsec/v1/applications/00000000-0000-4000-8000-000000000000"
        status, body = call("GET", path)
        error = body["_embedded"]["api_errors"][0]
        same((status, error["code"], error["status"], error["source"]["pointer"]), (404, "NOT_FOUND", "404", path))
        assert re.fullmatch(r"[0-9a-f-]{36}", error["id"]) and error["title"], error

    def policy_by_name():
        lookup = ["name==Veracode Recommended High", "name_exact==true"]
        page = call("GET", "/appsec/v1/policies", *lookup)[1]
        same((page["page"]["total_elements"], page["_embedded"]["policy_versions"][0]["guid"]), (1, RECOMMENDED))
        whole = call("GET", "/appsec/v1/policies", "undefined==undefined")[1]
        same(whole["page"]["total_elements"], truth("select count(*) from policies")[0][0])

    def flaw_of_sandbox():
        guid, sandbox, issue = truth(
            "select a.guid, s.guid, f.issue_id from findings f join sandboxes s on s.id = f.sandbox"
            " join applications a on a.id = f.application where f.scan_type = 'STATIC' and not exists"
            " (select 1 from findings o where o.application = a.id and o.sandbox = 0 and o.issue_id = f.issue_id) limit 1"
        )[0]
        path = f"/appsec/v2/applications/{guid}/findings/{issue}/static_flaw_info"
        same(call("GET", path)[0], 200)
        status, body = call("GET", path, f"context=={sandbox}")
        same((status, body["message"]), (404, "Build does not have static flaws"))

    def other_types():
        guid, _ = richest("SCA")
        page = call("GET", f"/appsec/v2/applications/{guid}/findings", "scan_type==SCA")[1]
        assert "?scan_type=STATIC%2CDYNAMIC%2CMANUAL{&" in page["_links"]["non-sca"]["href"], page["_links"]

    def sandboxes_elsewhere():
        guid, sandbox = os.environ["SANDBOX"].split("/")
        status, page = call("GET", f"/appsec/v2/applications/{guid}/sandboxes")
        assert status == 200 and sandbox in [one["guid"] for one in page["_embedded"]["sandboxes"]], page

    def promotion():
        guid, sandbox = os.environ["SANDBOX"].split("/")
        path = f"/appsec/v1/applications/{guid}"
        before = call("GET", path)[1]
        status, body = call("POST", f"{path}/sandboxes/{sandbox}/promote", "delete_on_promote==true")
        same((status, body["guid"]), (200, sandbox))
        after = call("GET", path)[1]
        assert before["modified"] < after["modified"] < after["last_policy_compliance_check_date"], after
        same(call("GET", f"{path}/sandboxes/{sandbox}")[0], 404)

    check(name, "GET", get)
    check(name, "GET with a query", query)
    check(name, "user (POST 201, PUT 200, DELETE 200)", lambda: life(f"{identity}/users", "user_id", user))
    check(name, "team (POST 201, PUT 200, DELETE 200)", lambda: life(f"{identity}/teams", "team_id", ["team_name=Visitors"]))
    check(name, "business unit (POST 201, PUT 200, DELETE 200)", lambda: life(f"{identity}/business_units", "bu_id", ["bu_name=Visits"]))
    check(name, "role (POST 201, PUT 200, DELETE 200)", lambda: life(f"{identity}/roles", "role_id", role))
    check(name, "numeric ids are not used again", numbers)
    check(name, "principal", principal)
    check(name, "users by role", by_role)
    check(name, "users not in a team", not_in_team)
    check(name, "teams with ignore_self_teams", all_teams)
    check(name, "users say whether they are active", active)
    check(name, "search by an id that is none (400)", bad_id)
    check(name, "error of an application that is none (id, title, pointer)", error_of_application)
    check(name, "policy by its exact name, and a query of no meaning", policy_by_name)
    check(name, "static_flaw_info of a flaw in a sandbox (with context 404)", flaw_of_sandbox)
    check(name, "link from components to the other types (%2C)", other_types)
    check(name, "sandboxes under /appsec/v2", sandboxes_elsewhere)
    check(name, "promotion of a sandbox", promotion)


veracode_api_py()
veracode_api_signing()
httpie()
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
