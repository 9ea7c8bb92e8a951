use std::collections::HashSet;

use countersign_platform::SeedSpec;
use countersign_signing::Pair;
use countersign_testkit::TestPlatform;
use serde_json::Value;

const APPLICATIONS: &str = "/appsec/v1/applications";

fn reader(test: &TestPlatform) -> Pair {
    test.mint("reader", &["resultsapi", "noteamrestrictionapi"]).pair
}

/// All elements of a list, and how often each page reported the same total.
async fn all(test: &TestPlatform, pair: &Pair, target: &str, list: &str, size: u64) -> Vec<Value> {
    let mut elements = Vec::new();
    for number in 0.. {
        let joint = if target.contains('?') { '&' } else { '?' };
        let answer = test.get(pair, &format!("{target}{joint}page={number}&size={size}")).await;
        let body = answer.json();
        assert_eq!(answer.status, 200, "{body}");
        let page = &body["page"];
        let total_pages = page["total_pages"].as_u64().expect("a number");
        match body["_embedded"][list].as_array() {
            Some(some) => elements.extend(some.iter().cloned()),
            None => assert!(body.get("_embedded").is_none(), "absent, not empty"),
        }
        if number + 1 >= total_pages {
            assert_eq!(page["total_elements"].as_u64(), Some(elements.len() as u64));
            return elements;
        }
    }
    elements
}

#[tokio::test]
async fn pages_of_any_size_make_the_same_list() {
    let test = TestPlatform::start(SeedSpec::Demo).await;
    let pair = reader(&test);
    let applications = all(&test, &pair, APPLICATIONS, "applications", 500).await;
    assert_eq!(applications.len(), 60);
    for size in [1, 7, 50, 1000] {
        assert_eq!(all(&test, &pair, APPLICATIONS, "applications", size).await, applications);
    }
    let guid = applications[4]["guid"].as_str().expect("a guid");
    for scan_types in ["STATIC,DYNAMIC,MANUAL", "SCA"] {
        let target = format!("/appsec/v2/applications/{guid}/findings?scan_type={scan_types}");
        let findings = all(&test, &pair, &target, "findings", 500).await;
        assert!(findings.len() > 7);
        for size in [1, 7, 20] {
            assert_eq!(all(&test, &pair, &target, "findings", size).await, findings);
        }
    }
}

#[tokio::test]
async fn the_tenant_is_the_same_for_the_same_numbers() {
    let spec = |rng| SeedSpec::Sized { applications: 2, findings: 40, rng };
    let mut bodies = Vec::new();
    for rng in [7, 7, 8] {
        let test = TestPlatform::start(spec(rng)).await;
        let pair = reader(&test);
        let applications = all(&test, &pair, APPLICATIONS, "applications", 50).await;
        let guid = applications[0]["guid"].as_str().expect("a guid").to_owned();
        let target = format!("/appsec/v2/applications/{guid}/findings?include_annot=true");
        let findings = all(&test, &pair, &target, "findings", 50).await;
        let url = test.platform.rest_url();
        bodies.push(serde_json::json!([applications, findings]).to_string().replace(&url, ""));
        assert_eq!(test.platform.counts().expect("counts"), (2, 40));
    }
    assert_eq!(bodies[0], bodies[1]);
    assert_ne!(bodies[0], bodies[2]);
}

#[tokio::test]
async fn findings_filters_agree_with_the_records() {
    let test = TestPlatform::start(SeedSpec::Demo).await;
    let pair = reader(&test);
    let applications = all(&test, &pair, APPLICATIONS, "applications", 500).await;
    let guid = applications[6]["guid"].as_str().expect("a guid");
    let base = format!("/appsec/v2/applications/{guid}/findings");
    let flaws = all(&test, &pair, &base, "findings", 500).await;
    let components = all(&test, &pair, &format!("{base}?scan_type=SCA"), "findings", 500).await;
    assert!(flaws.iter().all(|f| f["scan_type"] != "SCA") && !components.is_empty());

    type Check = fn(&Value) -> bool;
    let checks: [(&str, &[Value], Check); 10] = [
        ("severity=3", &flaws, |f| f["finding_details"]["severity"] == 3),
        ("severity=3&severity=4", &flaws, |f| {
            [3, 4].iter().any(|s| f["finding_details"]["severity"] == *s)
        }),
        ("severity_gte=4", &flaws, |f| f["finding_details"]["severity"].as_i64() >= Some(4)),
        ("cwe=80,117", &flaws, |f| {
            [80, 117].iter().any(|c| f["finding_details"]["cwe"]["id"] == *c)
        }),
        ("violates_policy=True", &flaws, |f| f["violates_policy"] == true),
        ("new=false", &flaws, |f| f["finding_status"]["new"] == false),
        ("scan_type=DYNAMIC", &flaws, |f| f["scan_type"] == "DYNAMIC"),
        ("scan_type=SCA&severity_gte=4", &components, |f| {
            f["finding_details"]["severity"].as_i64() >= Some(4)
        }),
        ("scan_type=SCA&sca_scan_mode=AGENT", &components, |f| {
            f["finding_details"]["metadata"]["sca_scan_mode"] == "AGENT"
        }),
        ("scan_type=SCA&cvss_gte=7", &components, |f| {
            f["finding_details"]["cve"]["cvss"].as_f64() >= Some(7.0)
        }),
    ];
    for (query, from, check) in checks {
        let got = all(&test, &pair, &format!("{base}?{query}"), "findings", 500).await;
        let expected: Vec<_> = from.iter().filter(|f| check(f)).cloned().collect();
        assert_eq!(got, expected, "{query}");
        assert!(!got.is_empty() && got.len() < from.len(), "{query} proves nothing");
    }
    for bad in [
        "severity=6",
        "severity=x",
        "cvss=11",
        "scan_type=IAST",
        "scan_type=SCA,STATIC",
        "size=0",
        "page=-1",
        "new=maybe",
    ] {
        let answer = test.get(&pair, &format!("{base}?{bad}")).await;
        assert_eq!(answer.status, 400, "{bad}");
        assert!(answer.json()["_embedded"]["api_errors"][0]["status"] == "400", "{bad}");
    }
}

#[tokio::test]
async fn shapes_of_findings() {
    let test = TestPlatform::start(SeedSpec::Demo).await;
    let pair = reader(&test);
    let mut keys = HashSet::new();
    for application in all(&test, &pair, APPLICATIONS, "applications", 500).await {
        let guid = application["guid"].as_str().expect("a guid");
        let flaws = test.get(&pair, &format!("/appsec/v2/applications/{guid}/findings?include_annot=TRUE&include_exp_date=true")).await;
        let sca = test
            .get(
                &pair,
                &format!(
                    "/appsec/v2/applications/{guid}/findings?scan_type=SCA&include_annot=true"
                ),
            )
            .await;
        for body in [flaws.json(), sca.json()] {
            assert!(!body["_embedded"].to_string().contains(":null"), "absent, not null");
            let text = body.to_string();
            assert!(!text.contains('\u{1}') && !text.contains("\\u0001"));
            for finding in body["_embedded"]["findings"].as_array().into_iter().flatten() {
                keys.insert(finding["scan_type"].as_str().expect("a type").to_owned());
                assert_eq!(finding["issue_id"].is_null(), finding["scan_type"] == "SCA");
                assert_eq!(finding["build_id"].is_null(), finding["scan_type"] == "SCA");
                assert!(finding["scan_type"] != "SCA" || finding.get("annotations").is_none());
            }
        }
        let text = String::from_utf8(flaws.body).expect("text");
        if let Some(first) = text.split("{\"issue_id\":").nth(1) {
            let names = [
                "scan_type",
                "description",
                "count",
                "context_type",
                "context_guid",
                "violates_policy",
                "finding_status",
                "finding_details",
                "build_id",
            ];
            let places: Vec<_> =
                names.iter().map(|name| first.find(&format!("\"{name}\":"))).collect();
            assert!(places.windows(2).all(|two| two[0] < two[1]), "{places:?}");
        }
    }
    assert_eq!(keys.len(), 4, "every scan type occurs");
}

#[tokio::test]
async fn links_of_lists() {
    let test = TestPlatform::start(SeedSpec::Demo).await;
    let pair = reader(&test);
    let url = "https://127.0.0.1";
    let body = test.get(&pair, &format!("{APPLICATIONS}?size=50&name=a")).await.json();
    let links = &body["_links"];
    assert_eq!(
        links["self"]["href"],
        format!(
            "{url}{APPLICATIONS}/?name=a{{&page,size,org,policy_id,policy_guid,legacy_id,business_unit,tag,policy,policy_compliance,scan_status,scan_type,modified_after,policy_compliance_checked_after,team,custom_field_names,custom_field_values,sort_by_custom_field_name}}"
        )
    );
    assert_eq!(links["self"]["templated"], true);

    let guid =
        test.get(&pair, APPLICATIONS).await.json()["_embedded"]["applications"][5]["guid"].clone();
    let guid = guid.as_str().expect("a guid");
    let base = format!("/appsec/v2/applications/{guid}/findings");
    let links = test
        .get(&pair, &format!("{base}?scan_type=STATIC&violates_policy=True&size=1&page=1"))
        .await
        .json()["_links"]
        .clone();
    assert_eq!(
        links["first"]["href"],
        format!("{url}{base}?violates_policy=true&scan_type=STATIC&page=0&size=1")
    );
    assert_eq!(links["prev"]["href"], links["first"]["href"]);
    assert_eq!(
        links["self"]["href"],
        format!(
            "{url}{base}?violates_policy=true&scan_type=STATIC{{&context,severity,severity_gte,cwe,finding_category,cvss,cvss_gte,cve,include_annot,new,include_exp_date,mitigated_after,sca_scan_mode,sca_dep_mode}}"
        )
    );
    assert!(links["sca"]["href"].as_str().is_some_and(|href| href.contains("scan_type=SCA{&")));
    assert!(links.get("non-sca").is_none());
    let past = test.get(&pair, &format!("{base}?page=9999")).await.json();
    assert!(past.get("_embedded").is_none() && past["page"]["total_elements"].as_u64() > Some(0));
    let empty = test.get(&pair, &format!("{base}?cwe=99999")).await.json();
    assert_eq!(
        (empty["page"]["total_pages"].as_u64(), empty["_links"].get("first")),
        (Some(0), None)
    );
}

/// Whatever is in it, a filter is used or refused; the platform does not fail.
#[tokio::test]
async fn filters_are_bounded_and_take_any_text() {
    let test = TestPlatform::start(SeedSpec::Demo).await;
    let pair = test.mint("both", &["resultsapi", "noteamrestrictionapi", "adminapi"]).pair;
    let applications = all(&test, &pair, APPLICATIONS, "applications", 50).await;
    let guid = applications[0]["guid"].as_str().expect("a guid");
    let findings = format!("/appsec/v2/applications/{guid}/findings");
    for (target, name, value) in [
        (APPLICATIONS, "scan_status", "PUBLISHED"),
        (APPLICATIONS, "custom_field_names", "Field"),
        (APPLICATIONS, "custom_field_values", "x"),
        (&findings, "severity", "3"),
        (&findings, "cwe", "89"),
        (&findings, "finding_category", "18"),
        (&findings, "scan_type", "STATIC"),
        ("/api/authn/v2/users", "email_address", "a@example.com"),
    ] {
        for (count, status) in [(500, 200), (501, 400)] {
            let repeated = vec![format!("{name}={value}"); count].join("&");
            let together = format!("{name}={}", vec![value; count].join(","));
            for query in [repeated, together] {
                let answer = test.get(&pair, &format!("{target}?{query}")).await;
                assert_eq!(answer.status, status, "{count} of {name}");
                let body = String::from_utf8_lossy(&answer.body);
                assert!(status == 200 || body.contains("at most 500"), "{name}: {body}");
            }
        }
    }
    let pairs = |count: usize| {
        let names = vec!["a"; count].join(",");
        format!("{APPLICATIONS}?custom_field_names={names}&custom_field_values={names}")
    };
    for (count, status) in [(1, 200), (500, 200), (1000, 400)] {
        assert_eq!(test.get(&pair, &pairs(count)).await.status, status, "{count} pairs");
    }
    let odd = ["%5C", "%22", "a%5C%22%2Cb", "%00", "%5B%22", "%F0%9F%8E%88", "%E2%80%AE", "%25%5C"];
    for name in ["tag", "name", "custom_field_names=a&custom_field_values", "policy", "team"] {
        for text in odd {
            let answer = test.get(&pair, &format!("{APPLICATIONS}?{name}={text}")).await;
            assert_eq!(answer.status, 200, "{name}={text}");
        }
    }
    for name in ["include_annot", "include_exp_date", "new", "violates_policy"] {
        let answer = test.get(&pair, &format!("{findings}?page=9999&{name}=maybe")).await;
        assert_eq!(answer.status, 400, "{name} of an empty page");
    }
    // More than a head may hold.
    let long = format!("{APPLICATIONS}?tag={}", "%25a".repeat(10_000));
    assert_eq!(test.get(&pair, &long).await.status, 431);
}

#[tokio::test]
async fn tags_are_found_by_what_they_are() {
    let test = TestPlatform::start(SeedSpec::Empty).await;
    let pair = test.mint("writer", &["uploadapi", "apisubmitanyscan", "noteamrestrictionapi"]).pair;
    let input = serde_json::json!({"profile": {"name": "Tagged", "business_criticality": "HIGH",
        "tags": "a\\b, \"c\" ,d e"}});
    let answer = test.call(&pair, "POST", APPLICATIONS, &input.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    for (tag, count) in [
        ("a%5Cb", 1),
        ("%22c%22", 1),
        ("d%20e", 1),
        ("d%25", 1),
        ("a", 0),
        ("b", 0),
        ("%5Cb", 0),
        ("a%5C%5Cb", 0),
        ("%22%2C%22", 0),
    ] {
        let list = test.get(&pair, &format!("{APPLICATIONS}?tag={tag}")).await.json();
        assert_eq!(list["page"]["total_elements"], count, "{tag}");
    }
}

#[tokio::test]
async fn teams_limit_what_is_seen() {
    let test = TestPlatform::start(SeedSpec::Demo).await;
    let everything = reader(&test);
    let admin = test.mint("admin", &["adminapi"]).pair;
    let input = r#"{"user_name":"blue","email_address":"blue@example.com","first_name":"B","last_name":"T","roles":[{"role_name":"resultsapi"}],"teams":[{"team_name":"Blue Team"}],"permissions":[{"permission_name":"apiUser"}]}"#;
    let created = test
        .call(&admin, "POST", "/api/authn/v2/users?generate_api_creds=true", input)
        .await
        .json();
    let credential = &created["api_credentials"];
    let blue = Pair::parse(
        credential["api_id"].as_str().expect("id"),
        credential["api_secret"].as_str().expect("secret"),
    )
    .expect("a pair");
    let all_applications = all(&test, &everything, APPLICATIONS, "applications", 500).await;
    let seen: HashSet<_> = all(&test, &blue, APPLICATIONS, "applications", 500)
        .await
        .iter()
        .map(|a| a["guid"].to_string())
        .collect();
    assert!(!seen.is_empty() && seen.len() < all_applications.len());
    for application in all_applications {
        let guid = application["guid"].as_str().expect("a guid");
        let is_blue = application["profile"]["teams"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|team| team["team_name"] == "Blue Team");
        assert_eq!(seen.contains(&application["guid"].to_string()), is_blue);
        let expected = if is_blue { 200 } else { 404 };
        for target in [
            format!("{APPLICATIONS}/{guid}"),
            format!("/appsec/v2/applications/{guid}/findings"),
            format!("{APPLICATIONS}/{guid}/sandboxes"),
        ] {
            assert_eq!(test.get(&blue, &target).await.status, expected, "{target}");
        }
    }
}
