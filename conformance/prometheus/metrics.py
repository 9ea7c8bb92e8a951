#!/usr/bin/env python3
"""Turns what the program wrote into tests of rules, and asks a Prometheus about it."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

PATIENCE = 60
# Alert, series, labels that the alert has, after how many scrapes it must not fire yet.
CASES = [
    ("CountersignSyncStale", "stale", {"integration": "prod", "severity": "warning"}, 24),
    ("CountersignCredentialExpires", "expires", {"name": "prod", "severity": "critical"}, 4),
    ("CountersignRateLimited", "limited", {"severity": "warning"}, 16),
    ("CountersignDeliveryBroken", "broken", {"destination": "tickets", "severity": "critical"}, 34),
    ("CountersignDeliveryLate", "late", {"destination": "tickets", "severity": "warning"}, 24),
    ("CountersignDeliveryHeld", "held", {"destination": "tickets", "severity": "warning"}, 23),
]
SAMPLE = re.compile(r"^([a-z_:]+(?:\{.*\})?) (-?[0-9.e+]+)$")


def samples(text):
    assert text.endswith("# EOF\n"), "cut"
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = SAMPLE.match(line)
            assert match, line
            assert match[1] not in found, f"twice: {line}"
            found[match[1]] = match[2]
    return found


def annotations(rules, alert, labels):
    """As the rules file has them, with the labels filled in."""
    block = rules.split(f"- alert: {alert}\n")[1].split("- alert: ")[0]
    summary = re.search(r"summary: (.*)", block)[1]
    folded = re.search(r"description: >-\n((?: {12}.*\n?)+)", block)[1]
    texts = {"summary": summary, "description": " ".join(folded.split())}
    fill = lambda text: re.sub(r"{{ \$labels\.(\w+) }}", lambda m: labels[m[1]], text)
    return {name: fill(text) for name, text in texts.items()}


def rules(folder, path):
    tests = []
    for alert, name, labels, quiet in CASES:
        with open(os.path.join(folder, f"{name}.json"), encoding="utf-8") as file:
            series = json.load(file)
        scrapes = [samples(text) for text in series["scrapes"]]
        names = sorted({key for scrape in scrapes for key in scrape})
        wanted = [key for key in names if re.match(
            r"countersign_(sync_age_seconds|credential_time_left_seconds"
            r"|requests_rate_limited_total|delivery_(broken|backlog_oldest_seconds|held))", key)]
        # Scraped every minute in between; a value stays until the next one is known.
        step = series["interval_seconds"]
        held = step // 60 - 1
        value = lambda scrape, key: f"{scrape[key]}+0x{held}" if key in scrape else f"_x{held}"
        with open(path, encoding="utf-8") as file:
            text = file.read()
        fired = {"exp_labels": labels, "exp_annotations": annotations(text, alert, labels)}
        at = lambda scrape: f"{scrape * step}s"
        tests.append({
            "interval": "1m",
            "name": alert,
            "input_series": [
                {"series": key, "values": " ".join(value(scrape, key) for scrape in scrapes)}
                for key in wanted
            ],
            "alert_rule_test": [
                {"alertname": alert, "eval_time": at(quiet), "exp_alerts": []},
                {"alertname": alert, "eval_time": at(len(scrapes) - 1), "exp_alerts": [fired]},
            ],
        })
    # Every YAML parser reads JSON.
    print(json.dumps({"rule_files": [path], "evaluation_interval": "1m", "tests": tests}))


def ready(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def wait(path):
    end = time.monotonic() + PATIENCE
    while not os.path.exists(path):
        assert time.monotonic() < end, "serve does not start"
        time.sleep(0.1)


def lint(path):
    """By the tool, which knows the older format, of which ours is one but for its end."""
    text = urllib.request.urlopen(ready(path)["metrics_url"], timeout=30).read().decode()
    samples(text)
    # It wants counters to end as their samples do, and knows no units.
    text = re.sub(r"^# TYPE (\S+) counter$", r"# TYPE \1_total counter", text, flags=re.M)
    text = re.sub(r"^# TYPE (\S+) info$", r"# TYPE \1_info gauge", text, flags=re.M)
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, flags=re.M))
    def help_of(match):
        name = match[1]
        for suffix in ("_total", "_info"):
            if name + suffix in kinds:
                name += suffix
        return f"# HELP {name} "
    text = re.sub(r"^# HELP (\S+) ", help_of, text, flags=re.M)
    text = re.sub(r"^# UNIT .*\n", "", text, flags=re.M)
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                             capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr or checked.stdout


def config(path, token):
    urls = ready(path)
    host = lambda url: urllib.parse.urlsplit(url).netloc
    print(json.dumps({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "rule_files": [os.path.realpath("packaging/prometheus/rules.yml")],
        "scrape_configs": [
            {"job_name": "token", "authorization": {"credentials_file": token},
             "static_configs": [{"targets": [host(urls["dashboard_url"])]}]},
            {"job_name": "listener",
             "static_configs": [{"targets": [host(urls["metrics_url"])]}]},
            {"job_name": "nobody",
             "static_configs": [{"targets": [host(urls["dashboard_url"])]}]},
        ],
    }))


def query(server, expression):
    url = f"{server}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(url, timeout=30) as answer:
        body = json.load(answer)
    assert body["status"] == "success", (expression, body)
    return body["data"]["result"]


def scraped(server):
    end = time.monotonic() + PATIENCE
    while True:
        try:
            up = {row["metric"]["job"]: row["value"][1] for row in query(server, "up")}
            if up == {"token": "1", "listener": "1", "nobody": "0"}:
                return
        except urllib.error.URLError:
            up = None
        assert time.monotonic() < end, up
        time.sleep(0.2)


def ask(server, path, stored):
    scraped(server)
    open_findings = 'sum(countersign_findings{job="token",state="open"})'
    value = query(server, open_findings)[0]["value"][1]
    assert value == stored, f"{value} open findings in the metrics, {stored} in the store"
    with open(path, encoding="utf-8") as file:
        dashboard = json.load(file)
    asked = 0
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("$integration", ".*")
            query(server, expression)
            for name in re.findall(r"countersign_\w+", expression):
                assert query(server, f"count({name})"), f"{panel['title']}: there is no {name}"
            asked += 1
    print(f"metrics: scraped by token and listener, refused without; {value} open findings; "
          f"{asked} queries of the dashboard")


if __name__ == "__main__":
    {"rules": rules, "wait": wait, "lint": lint, "config": config, "ask": ask}[sys.argv[1]](
        *sys.argv[2:])
